"""DINO's loss (arXiv:2104.14294, equation 3): cross-entropy of teacher and student over all pairs of different views.

SwAV's loss is the same with targets by Sinkhorn-Knopp.

Summing over pairs first gives one closed form per student view, whose gradient is known along with the loss:

    L_v = -<Q_v, log softmax(s_v / T)>,    Q_v = sum of the teacher's targets of the n_v views other than v
    dL/ds_v = (n_v * softmax(s_v / T) - Q_v) / T,    since every target sums to 1

The forward pass therefore computes the gradient as well, one view at a time, and keeps neither pairs nor
log-probabilities. Reading and writing [batch, prototypes] takes most of the time, so each line passes over it once.
"""

from typing import Any, ClassVar

import torch
from torch import Tensor

from dino_pipeline.dino.core.losses.centering import build_centering
from dino_pipeline.dino.core.losses.config import LossConfig
from dino_pipeline.dino.core.losses.loss import Loss, LossInput, LossOutput


class DINOLoss(Loss):
    """Trains the student's distribution over prototypes towards the teacher's, which is centered and sharpened."""

    metrics: ClassVar[tuple[str, ...]] = ("teacher_entropy", "kl")

    def __init__(self, config: LossConfig, num_logits: int) -> None:
        super().__init__(config, num_logits)
        self.student_temperature = config.student_temperature
        self.centering = build_centering(config, num_logits)

    def compare(self, inputs: LossInput) -> LossOutput:
        """Cross-entropy, with metrics in nats."""
        targets = self.centering.targets(inputs.teacher_logits.detach(), inputs.teacher_temperature)
        loss = dino_loss(inputs.student_logits, targets, student_temperature=self.student_temperature)
        entropy = torch.special.entr(targets).sum(dim=-1).mean()
        # cross-entropy = H(p_t) + KL(p_t || p_s): KL -> 0 is collapse (arXiv:2104.14294, section 5.3)
        return LossOutput(loss, {"teacher_entropy": entropy, "kl": loss.detach() - entropy})

    def update(self, teacher_logits: Tensor, *, skip: Tensor) -> None:
        """Update the center or the queue."""
        self.centering.update(teacher_logits, skip=skip)


def dino_loss(student: Tensor, targets: Tensor, *, student_temperature: float) -> Tensor:
    """Mean cross-entropy over the batch and over all ordered pairs (teacher view t, student view v != t).

    Args:
        student: [crops, batch, prototypes], global crops first
        targets: [global crops, batch, prototypes], the teacher's probabilities, without gradient

    Returns:
        A scalar; a uniform student and teacher give ln(prototypes).
    """
    loss: Tensor = _CrossEntropy.apply(student, targets, student_temperature)
    return loss


class _CrossEntropy(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, student: Tensor, targets: Tensor, temperature: float) -> Tensor:
        num_targets, batch = targets.shape[:2]
        num_terms = (num_targets * len(student) - num_targets) * batch
        ctx.scale = -1 / (temperature * num_terms)
        all_targets = targets.sum(dim=0)
        loss = targets.new_zeros(())
        gradient = torch.empty_like(student)  # without the factor `scale`
        for view, scores in enumerate(student):
            is_target = view < num_targets
            others = all_targets - targets[view] if is_target else all_targets
            num_others = num_targets - 1 if is_target else num_targets
            log_probabilities = (scores.to(targets.dtype) / temperature).log_softmax(dim=-1)
            loss -= torch.dot(others.flatten(), log_probabilities.flatten())
            torch.sub(others, log_probabilities.exp_(), alpha=num_others, out=gradient[view])
        ctx.gradient = gradient
        return loss / num_terms

    @staticmethod
    def backward(ctx: Any, grad_loss: Tensor) -> tuple[Tensor, None, None]:
        # Scaled in place, because a copy would take as long as all the views. A graph is walked only once.
        gradient = ctx.gradient
        del ctx.gradient
        return gradient.mul_(grad_loss * ctx.scale), None, None
