"""Centering and sharpening keep the teacher's targets from collapsing (arXiv:2104.14294, section 3.1, equation 4).

There are two operators: a running center, and Sinkhorn-Knopp over the batch of all processes (SwAV,
arXiv:2006.09882). One iteration of Sinkhorn-Knopp is the softmax over the batch of arXiv:2104.14294, appendix D. Both
compute with logarithms, so that low temperatures do not underflow. Each global view counts as a batch of its own.
"""

import torch
from torch import Tensor, nn

from dino_pipeline.dino.core.distributed import all_reduce_sum, gather, rank, world_size
from dino_pipeline.dino.core.losses.config import LossConfig
from dino_pipeline.dino.core.losses.queue import Queue


def build_centering(config: LossConfig, num_prototypes: int) -> "Center | SinkhornKnopp":
    """Build the operator that `loss.centering` names."""
    if config.centering == "center":
        return Center(num_prototypes, config.center_momentum)
    if config.centering == "none":
        return Center(num_prototypes, momentum=1.0)  # the center stays at 0
    num_iterations = 3 if config.centering == "sinkhorn_knopp" else 1
    return SinkhornKnopp(num_prototypes, num_iterations=num_iterations, queue_length=config.queue_length)


class Center(nn.Module):
    """The running mean of the teacher's logits over all processes."""

    center: Tensor  # [1, prototypes]

    def __init__(self, num_prototypes: int, momentum: float) -> None:
        super().__init__()
        self.momentum = momentum
        self.register_buffer("center", torch.zeros(1, num_prototypes))

    def targets(self, teacher_logits: Tensor, teacher_temperature: float) -> Tensor:
        """Centered, sharpened probabilities [global crops, batch, prototypes], in at least float32."""
        logits = teacher_logits.to(self.center.dtype)
        return (logits - self.center).div_(teacher_temperature).softmax(dim=-1)

    @torch.no_grad()
    def update(self, teacher_logits: Tensor, *, skip: Tensor) -> None:
        """Move the center towards the mean of these logits, once per step, after the loss has used the old center.

        Args:
            skip: a bool; true leaves the center unchanged.
        """
        logits = teacher_logits.to(self.center.dtype).flatten(0, 1)
        mean = all_reduce_sum(logits.sum(dim=0, keepdim=True)) / (len(logits) * world_size())
        self.center.lerp_(torch.where(skip, self.center, mean), 1 - self.momentum)


class SinkhornKnopp(nn.Module):
    """Alternates between equal total weight for every prototype in the batch and a distribution for every image."""

    def __init__(self, num_prototypes: int, *, num_iterations: int, queue_length: int) -> None:
        super().__init__()
        self.num_iterations = num_iterations
        # Logits of minus infinity have no weight, so the empty rows of a queue that is not full yet do not count.
        self.queue = Queue(torch.full((2, queue_length, num_prototypes), -torch.inf))

    @torch.no_grad()
    def targets(self, teacher_logits: Tensor, teacher_temperature: float) -> Tensor:
        """Probabilities [global crops, batch, prototypes] for logits of the same shape, in at least float32."""
        batch = teacher_logits.shape[1]
        rows = teacher_logits.to(self.queue.rows.dtype)
        if rank() == 0:  # the queue is equal on all processes and must count once
            rows = torch.cat([rows, self.queue.rows], dim=1)
        logits = rows / teacher_temperature
        for _ in range(self.num_iterations):
            logits = logits - _log_weight_of_prototypes(logits)
            logits = logits - logits.logsumexp(dim=-1, keepdim=True).clamp(min=torch.finfo(logits.dtype).min)
        return logits[:, :batch].exp()

    def update(self, teacher_logits: Tensor, *, skip: Tensor) -> None:
        """Put these logits into the queue. Rows in the queue keep the logits of their own step."""
        if self.queue.rows.numel():
            self.queue.update(teacher_logits, skip=skip)


def _log_weight_of_prototypes(logits: Tensor) -> Tensor:
    """[global crops, 1, prototypes]: logarithm of each prototype's weight over the images of all processes."""
    largest = gather(logits.amax(dim=1, keepdim=True)).amax(dim=0)
    return largest + all_reduce_sum((logits - largest).exp().sum(dim=1, keepdim=True)).log()
