"""Barlow Twins (arXiv:2103.03230): each dimension correlates across two views, and with no other dimension."""

import torch
from torch import Tensor

from dino_pipeline.dino.core.distributed import differentiable_gather
from dino_pipeline.dino.core.losses.loss import (
    Loss,
    LossInput,
    LossOutput,
    at_least_float32,
    mean_over_pairs,
)

_REDUNDANCY = 5e-3  # the paper's lambda
_EPSILON = 1e-5  # added to a variance, as in batch norm


class BarlowTwins(Loss):
    """sum_d (1 - C_dd)^2 + lambda sum_{d != e} C_de^2, where C correlates over the batch of all processes."""

    def compare(self, inputs: LossInput) -> LossOutput:
        """Mean over all pairs of different views."""
        student, teacher = _standardised(inputs.student_logits), _standardised(inputs.teacher_logits)

        def term(view: int, other: int) -> Tensor:
            correlation = student[view].T @ teacher[other] / student.shape[1]
            own = correlation.diagonal()
            redundant = correlation.square().sum() - own.square().sum()
            return (1 - own).square().sum() + _REDUNDANCY * redundant

        return LossOutput(mean_over_pairs(term, len(student), len(teacher)))


def _standardised(logits: Tensor) -> Tensor:
    """Standardise to [crops, whole batch, dim], with mean 0 and variance 1 in each dimension of each crop."""
    whole = differentiable_gather(at_least_float32(logits)).transpose(0, 1).flatten(1, 2)
    variance, mean = torch.var_mean(whole, dim=1, correction=0, keepdim=True)
    return (whole - mean) * (variance + _EPSILON).rsqrt()
