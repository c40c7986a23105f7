"""Distillation of features: of the same view the student's answer is to point where the teacher's does.

Both see one crop, since a teacher that is asked of another teaches worse (arXiv:2106.05237).
"""

import torch.nn.functional as F

from dino_pipeline.dino.core.losses.config import LossConfig
from dino_pipeline.dino.core.losses.loss import Answers, Judged, Loss, at_least_float32, without_distribution


class Distillation(Loss):
    """2 - 2 cos of student and teacher over the global crops, which are all there are."""

    def __init__(self, config: LossConfig, num_scores: int) -> None:  # noqa: ARG002  as every loss is built
        super().__init__()

    def forward(self, answers: Answers) -> Judged:
        student, teacher = (
            F.normalize(at_least_float32(scores), dim=-1)
            for scores in (answers.student, answers.teacher.detach())
        )
        return without_distribution((student - teacher).square().sum(dim=-1).mean())
