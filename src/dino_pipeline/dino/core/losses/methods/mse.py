"""BYOL's loss (arXiv:2006.07733, equation 2): squared distance of the unit vectors of student and teacher."""

import torch.nn.functional as F
from torch import Tensor

from dino_pipeline.dino.core.losses.center import Center
from dino_pipeline.dino.core.losses.config import LossConfig
from dino_pipeline.dino.core.losses.loss import Answers, Judged, Loss, in_full, without_distribution
from dino_pipeline.dino.core.losses.view_pairs import mean_over_pairs


class MSE(Loss):
    """2 - 2 cos over all pairs of different views; the teacher is centered first, where that is asked for."""

    def __init__(self, config: LossConfig, num_scores: int) -> None:
        super().__init__()
        self.center = Center(
            num_scores, config.center_momentum if config.centering == "center" else 1.0
        )  # 1: stays at 0

    def forward(self, answers: Answers) -> Judged:
        teacher = in_full(answers.teacher.detach(), self.center.center) - self.center.center
        targets = F.normalize(teacher, dim=-1)
        student = F.normalize(in_full(answers.student, targets), dim=-1)

        def distance(view: int, other: int) -> Tensor:
            return (student[view] - targets[other]).square().sum(dim=-1).mean()

        return without_distribution(mean_over_pairs(distance, len(student), len(targets)))

    def update(self, teacher: Tensor, *, skip: Tensor) -> None:
        self.center.update(teacher, skip=skip)
