"""Targets that use every prototype alike: Sinkhorn-Knopp over the batch of all processes (SwAV, arXiv:2006.09882).

A single iteration is the softmax over the batch of arXiv:2104.14294, appendix D. Both are made of logarithms, so that
no temperature underflows. Each global view is a batch of its own.
"""

import torch
from torch import Tensor, nn

from dino_pipeline.dino.core.distributed import all_reduce_sum, gather, rank
from dino_pipeline.dino.core.losses.queue import Queue


class SinkhornKnopp(nn.Module):
    """Alternately gives every prototype the same weight in the batch, and every image a distribution."""

    def __init__(self, num_prototypes: int, *, num_iterations: int, queue_length: int) -> None:
        super().__init__()
        self.num_iterations = num_iterations
        # Scores of minus infinity have no weight: a queue that is not full yet counts as far as it is.
        self.queue = Queue(torch.full((2, queue_length, num_prototypes), -torch.inf))

    @torch.no_grad()
    def targets(self, teacher: Tensor, teacher_temperature: float) -> Tensor:
        """Probabilities [global crops, batch, prototypes] of scores of the same shape, in at least float32."""
        batch = teacher.shape[1]
        scores = teacher.to(self.queue.rows.dtype)
        if rank() == 0:  # the queue is the same on all processes, and is to weigh once
            scores = torch.cat([scores, self.queue.rows], dim=1)
        logits = scores / teacher_temperature
        for _ in range(self.num_iterations):
            logits = logits - _log_weight_of_prototypes(logits)
            logits = logits - logits.logsumexp(dim=-1, keepdim=True).clamp(min=torch.finfo(logits.dtype).min)
        return logits[:, :batch].exp()

    def update(self, teacher: Tensor, *, skip: Tensor) -> None:
        """The queue lets in these scores, as they were under the prototypes of their step."""
        if self.queue.rows.numel():
            self.queue.update(teacher, skip=skip)


def _log_weight_of_prototypes(logits: Tensor) -> Tensor:
    """[global crops, 1, prototypes]: the logarithm of what each has over the images of all processes."""
    largest = gather(logits.amax(dim=1, keepdim=True)).amax(dim=0)
    return largest + all_reduce_sum((logits - largest).exp().sum(dim=1, keepdim=True)).log()
