"""DINO's and SwAV's objective: the student's distribution over prototypes follows the teacher's."""

import torch
from torch import Tensor

from dino_pipeline.dino.core.losses.center import Center
from dino_pipeline.dino.core.losses.config import LossConfig
from dino_pipeline.dino.core.losses.dino_loss import dino_loss
from dino_pipeline.dino.core.losses.loss import Answers, Judged, Loss
from dino_pipeline.dino.core.losses.sinkhorn_knopp import SinkhornKnopp


class CrossEntropy(Loss):
    """Cross-entropy over all pairs of different views; its targets are made by an operator that keeps them apart."""

    def __init__(self, config: LossConfig, num_scores: int) -> None:
        super().__init__()
        self.student_temperature = config.student_temperature
        self.operator = _operator(config, num_scores)

    def forward(self, answers: Answers) -> Judged:
        targets = self.operator.targets(answers.teacher.detach(), answers.teacher_temperature)
        loss = dino_loss(answers.student, targets, student_temperature=self.student_temperature)
        entropy = torch.special.entr(targets).sum(dim=-1).mean()
        # cross-entropy = H(p_t) + KL(p_t || p_s): KL -> 0 is collapse (arXiv:2104.14294, section 5.3)
        return Judged(loss, entropy, loss.detach() - entropy)

    def update(self, teacher: Tensor, *, skip: Tensor) -> None:
        self.operator.update(teacher, skip=skip)


def _operator(config: LossConfig, num_scores: int) -> Center | SinkhornKnopp:
    if config.centering == "center":
        return Center(num_scores, config.center_momentum)
    if config.centering == "none":
        return Center(num_scores, momentum=1.0)  # stays at 0
    num_iterations = 3 if config.centering == "sinkhorn_knopp" else 1
    return SinkhornKnopp(num_scores, num_iterations=num_iterations, queue_length=config.queue_length)
