"""DINO's loss (arXiv:2104.14294, equation 3): cross-entropy of teacher and student over all pairs of different views.

Summing the pairs first leaves one closed form a student view, whose gradient is known as soon as the loss is:

    L_v = n_v * logsumexp(s_v / T) - <Q_v, s_v / T>,    Q_v = sum of the teacher's targets of the views other than v
    dL/ds_v = (n_v * softmax(s_v / T) - Q_v) / T

so the gradient is made in the forward pass, one view at a time, and neither pairs nor log-probabilities are kept.
"""

import torch
from torch import Tensor


def dino_loss(student: Tensor, targets: Tensor, *, student_temperature: float) -> Tensor:
    """Mean cross-entropy over the batch and over all ordered pairs (teacher view t, student view v != t).

    Args:
        student: [crops, batch, prototypes], global crops first
        targets: [global crops, batch, prototypes], the teacher's probabilities, without gradient

    Returns:
        A scalar; a uniform student and teacher give ln(prototypes).
    """
    loss: Tensor = _DINOLoss.apply(student, targets, student_temperature)
    return loss


class _DINOLoss(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: torch.autograd.function.FunctionCtx, student: Tensor, targets: Tensor, temperature: float
    ) -> Tensor:
        num_targets, batch = targets.shape[:2]
        num_terms = (num_targets * len(student) - num_targets) * batch
        all_targets = targets.sum(dim=0)
        loss = targets.new_zeros(())
        grad = torch.empty_like(student)
        for view, scores in enumerate(student):
            is_target = view < num_targets
            other_targets = all_targets - targets[view] if is_target else all_targets
            num_others = num_targets - 1 if is_target else num_targets
            logits = scores.to(targets.dtype) / temperature
            log_normalizer = logits.logsumexp(dim=-1, keepdim=True)
            loss += num_others * log_normalizer.sum() - (other_targets * logits).sum()
            grad[view] = (num_others * (logits - log_normalizer).exp() - other_targets) / (
                temperature * num_terms
            )
        ctx.save_for_backward(grad)
        return loss / num_terms

    @staticmethod
    def backward(ctx: torch.autograd.function.FunctionCtx, grad_loss: Tensor) -> tuple[Tensor, None, None]:
        (grad,) = ctx.saved_tensors  # type: ignore[attr-defined]
        return grad * grad_loss, None, None
