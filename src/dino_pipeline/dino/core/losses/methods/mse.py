"""BYOL's loss (arXiv:2006.07733, equation 2): squared distance between student and teacher as unit vectors."""

import torch.nn.functional as F
from torch import Tensor

from dino_pipeline.dino.core.losses.centering import Center
from dino_pipeline.dino.core.losses.config import LossConfig
from dino_pipeline.dino.core.losses.loss import Loss, LossInput, LossOutput, mean_over_pairs


class MSELoss(Loss):
    """2 - 2 cos over all pairs of different views; `centering: center` centers the teacher first."""

    def __init__(self, config: LossConfig, num_logits: int) -> None:
        super().__init__(config, num_logits)
        # 1: the center stays at 0.
        self.center = Center(num_logits, config.center_momentum if config.centering == "center" else 1.0)

    def compare(self, inputs: LossInput) -> LossOutput:
        """Mean over pairs and images, at the precision of the center."""
        center = self.center.center
        targets = F.normalize(inputs.teacher_logits.detach().to(center.dtype) - center, dim=-1)
        student = F.normalize(inputs.student_logits.to(center.dtype), dim=-1)

        def distance(view: int, other: int) -> Tensor:
            return (student[view] - targets[other]).square().sum(dim=-1).mean()

        return LossOutput(mean_over_pairs(distance, len(student), len(targets)))

    def update(self, teacher_logits: Tensor, *, skip: Tensor) -> None:
        """Update the center."""
        self.center.update(teacher_logits, skip=skip)
