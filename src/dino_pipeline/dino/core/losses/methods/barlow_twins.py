"""Barlow Twins (arXiv:2103.03230): each dimension of two views correlates with itself, and with no other."""

import torch
from torch import Tensor

from dino_pipeline.dino.core.distributed import differentiable_gather
from dino_pipeline.dino.core.losses.config import LossConfig
from dino_pipeline.dino.core.losses.loss import Answers, Judged, Loss, at_least_float32, without_distribution
from dino_pipeline.dino.core.losses.view_pairs import mean_over_pairs

_REDUNDANCY = 5e-3  # the paper's lambda
_EPSILON = 1e-5  # of a variance, as batch norm's


class BarlowTwins(Loss):
    """sum_d (1 - C_dd)^2 + lambda sum_{d != e} C_de^2, C correlating over the batch of all processes."""

    def __init__(self, config: LossConfig, num_scores: int) -> None:  # noqa: ARG002  as every loss is built
        super().__init__()

    def forward(self, answers: Answers) -> Judged:
        student, teacher = _standardised(answers.student), _standardised(answers.teacher)

        def term(view: int, other: int) -> Tensor:
            correlation = student[view].T @ teacher[other] / student.shape[1]
            own = correlation.diagonal()
            redundant = correlation.square().sum() - own.square().sum()
            return (1 - own).square().sum() + _REDUNDANCY * redundant

        return without_distribution(mean_over_pairs(term, len(student), len(teacher)))


def _standardised(scores: Tensor) -> Tensor:
    """[crops, whole batch, dim], of mean 0 and variance 1 in each dimension of each crop."""
    whole = differentiable_gather(at_least_float32(scores)).transpose(0, 1).flatten(1, 2)
    variance, mean = torch.var_mean(whole, dim=1, correction=0, keepdim=True)
    return (whole - mean) * (variance + _EPSILON).rsqrt()
