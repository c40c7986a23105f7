"""Centering and sharpening keep the teacher's targets from collapsing (arXiv:2104.14294, section 3.1, equation 4)."""

import torch
from torch import Tensor, nn

from dino_pipeline.dino.core.distributed import all_reduce_sum, world_size


class Center(nn.Module):
    """The running mean of the teacher's scores, over all processes."""

    center: Tensor  # [1, prototypes]

    def __init__(self, num_prototypes: int, momentum: float) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("center", torch.zeros(1, num_prototypes))

    def targets(self, teacher: Tensor, teacher_temperature: float) -> Tensor:
        """Centered, sharpened probabilities [global crops, batch, prototypes], in at least float32."""
        scores = teacher.to(self.center.dtype)
        return (scores - self.center).div_(teacher_temperature).softmax(dim=-1)

    @torch.no_grad()
    def update(self, teacher: Tensor, *, skip: Tensor) -> None:
        """Move towards the mean of these scores; called once a step, after the loss has used the old center.

        Args:
            skip: a bool; true leaves the center as it is.
        """
        scores = teacher.to(self.center.dtype).flatten(0, 1)
        mean = all_reduce_sum(scores.sum(dim=0, keepdim=True)) / (len(scores) * world_size())
        self.center.lerp_(torch.where(skip, self.center, mean), 1 - self.momentum)
