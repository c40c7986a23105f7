"""The teacher's outputs for past batches, the newest first (MoCo, arXiv:1911.05722)."""

import torch
from torch import Tensor, nn

from dino_pipeline.dino.core.distributed import gather


class Queue(nn.Module):
    """Rows of each of the two global views, of all processes, the same on each."""

    rows: Tensor  # [2, length, dim]

    def __init__(self, initial: Tensor) -> None:
        super().__init__()
        self.register_buffer("rows", initial)

    @torch.no_grad()
    def update(self, rows: Tensor, *, skip: Tensor) -> None:
        """Add this process's rows [2, batch, dim] and those of the others; the oldest leave."""
        length = self.rows.shape[1]
        all_rows = gather(rows.to(self.rows.dtype)).transpose(0, 1).flatten(1, 2)  # as one process has them
        moved = torch.cat([all_rows, self.rows], dim=1)[:, :length]
        self.rows.copy_(torch.where(skip, self.rows, moved))
