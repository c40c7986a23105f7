"""Distillation of features: the student's output for a view aligns with the teacher's output for the same view.

Both networks see the same crop: a teacher that sees another view teaches worse (arXiv:2106.05237).
"""

import torch.nn.functional as F

from dino_pipeline.dino.core.losses.loss import Loss, LossInput, LossOutput, at_least_float32


class Distillation(Loss):
    """2 - 2 cos of student and teacher over the global crops. Local crops are not allowed."""

    def compare(self, inputs: LossInput) -> LossOutput:
        """Mean over crops and images."""
        student, teacher = (
            F.normalize(at_least_float32(logits), dim=-1)
            for logits in (inputs.student_logits, inputs.teacher_logits.detach())
        )
        return LossOutput((student - teacher).square().sum(dim=-1).mean())
