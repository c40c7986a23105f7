"""Distillation of features: for the same view the student's output points where the teacher's does.

Both see one crop: a teacher that sees another view teaches worse (arXiv:2106.05237).
"""

import torch.nn.functional as F

from dino_pipeline.dino.core.losses.loss import Loss, LossInput, LossOutput, at_least_float32


class Distillation(Loss):
    """2 - 2 cos of student and teacher over the global crops; there are no others."""

    def compare(self, inputs: LossInput) -> LossOutput:
        """Mean over crops and images."""
        student, teacher = (
            F.normalize(at_least_float32(logits), dim=-1)
            for logits in (inputs.student_logits, inputs.teacher_logits.detach())
        )
        return LossOutput((student - teacher).square().sum(dim=-1).mean())
