"""What every loss takes and gives; one is built by its name."""

from typing import NamedTuple

import torch
from torch import Tensor, nn


class Answers(NamedTuple):
    """What student and teacher say of this process's part of the batch."""

    student: Tensor  # [crops, batch, scores], global crops first
    features: Tensor  # [crops, batch, dim], of the student's backbone
    teacher: Tensor  # [global crops, batch, scores]; with gradient where student and teacher are one network
    teacher_temperature: float
    labels: Tensor | None = None  # [batch]


class Judged(NamedTuple):
    """Scalars; the teacher's entropy is NaN where it gives no distribution."""

    loss: Tensor  # with gradient
    teacher_entropy: Tensor
    kl: Tensor


class Loss(nn.Module):
    """A loss that may keep a state (a center, a queue), which is part of the checkpoint."""

    def forward(self, answers: Answers) -> Judged:
        raise NotImplementedError

    def update(self, teacher: Tensor, *, skip: Tensor) -> None:
        """Take in what the teacher said in this step, after the loss; called once a step.

        Args:
            teacher: [global crops, batch, scores], of all parts that were accumulated.
            skip: a bool; true leaves the state as it is, bit for bit.
        """


def without_distribution(loss: Tensor) -> Judged:
    """For losses between embeddings."""
    nothing = torch.full_like(loss.detach(), torch.nan)
    return Judged(loss, nothing, nothing)


def at_least_float32(scores: Tensor) -> Tensor:
    """Scores for a loss without a state, in half precision no longer."""
    return scores.float() if scores.dtype in (torch.float16, torch.bfloat16) else scores


def in_full(scores: Tensor, like: Tensor) -> Tensor:
    """Scores that are no coarser than the loss's own state, which is never in half precision."""
    return scores.to(like.dtype)
