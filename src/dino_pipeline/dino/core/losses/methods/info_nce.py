"""InfoNCE: identify the other view of a query's image among other images.

    loss = -log( exp(q.k+ / T) / (exp(q.k+ / T) + sum over negatives exp(q.k- / T)) ),    all of unit length

The negatives are the other images of the batch over all processes, in both global views. With two views of one
network this is NT-Xent (SimCLR, arXiv:2002.05709). With a queue, the negatives are past keys (MoCo,
arXiv:1911.05722). Each view has its own queue, so that each of the two directions is a MoCo of its own.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from dino_pipeline.dino.core.distributed import differentiable_gather, rank
from dino_pipeline.dino.core.losses.config import LossConfig
from dino_pipeline.dino.core.losses.loss import Loss, LossInput, LossOutput, mean_over_pairs
from dino_pipeline.dino.core.losses.queue import Queue


class InfoNCELoss(Loss):
    """InfoNCE over all pairs of different views. A teacher with gradient (SimCLR) is trained by it too."""

    def __init__(self, config: LossConfig, num_logits: int) -> None:
        super().__init__(config, num_logits)
        self.temperature = config.student_temperature
        self.queue = Queue(F.normalize(torch.randn(2, config.queue_length, num_logits), dim=-1))

    def compare(self, inputs: LossInput) -> LossOutput:
        """Mean over pairs and images, at the precision of the queue."""
        queries, keys = (
            F.normalize(logits.to(self.queue.rows.dtype), dim=-1)
            for logits in (inputs.student_logits, inputs.teacher_logits)
        )
        all_keys = None if self.queue.rows.numel() else differentiable_gather(keys)

        def term(view: int, other: int) -> Tensor:
            query = queries[view]
            positive = (query * keys[other]).sum(dim=-1, keepdim=True) / self.temperature
            if all_keys is None:
                negatives = query @ self.queue.rows[other].T / self.temperature
            else:
                negatives = _against_batch(query, all_keys) / self.temperature
            logits = torch.cat([positive, negatives], dim=1)
            return (logits.logsumexp(dim=1) - positive[:, 0]).mean()

        return LossOutput(mean_over_pairs(term, len(queries), len(keys)))

    def update(self, teacher_logits: Tensor, *, skip: Tensor) -> None:
        """Put the step's keys into the queue if there is one."""
        if self.queue.rows.numel():
            self.queue.update(F.normalize(teacher_logits.to(self.queue.rows.dtype), dim=-1), skip=skip)


def _against_batch(query: Tensor, keys: Tensor) -> Tensor:
    """Cosines [batch, processes * 2 * batch], with minus infinity for an image's own keys.

    Args:
        query: [batch, dim]
        keys: [processes, 2, batch, dim]
    """
    cosines = torch.einsum("bd,pvkd->bpvk", query, keys)
    own = torch.eye(len(query), dtype=torch.bool, device=query.device)
    masked = cosines.clone()
    masked[:, rank()] = cosines[:, rank()].masked_fill(own[:, None], -torch.inf)
    return masked.flatten(1)
