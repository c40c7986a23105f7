"""A queue of the teacher's outputs for past batches, newest first (MoCo, arXiv:1911.05722)."""

import torch
from torch import Tensor, nn

from dino_pipeline.dino.core.distributed import gather


class Queue(nn.Module):
    """Rows from all processes for each of the two global views, equal on every process."""

    rows: Tensor  # [2, length, dim]

    def __init__(self, initial: Tensor) -> None:
        super().__init__()
        self.register_buffer("rows", initial)

    @torch.no_grad()
    def update(self, rows: Tensor, *, skip: Tensor) -> None:
        """Add the rows [2, batch, dim] of all processes; the oldest rows leave the queue."""
        length = self.rows.shape[1]
        # In the order that one process would have.
        all_rows = gather(rows.to(self.rows.dtype)).transpose(0, 1).flatten(1, 2)
        moved = torch.cat([all_rows, self.rows], dim=1)[:, :length]
        self.rows.copy_(torch.where(skip, self.rows, moved))
