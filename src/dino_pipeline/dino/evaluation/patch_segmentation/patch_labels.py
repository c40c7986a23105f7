"""The class of a patch: that of most of its mask's pixels."""

import torch
from torch import Tensor

from dino_pipeline.dino.evaluation.masks.voc import VOID


def patch_labels(mask: Tensor, rows: int, columns: int) -> Tensor:
    """A mask, uint8 [height, width] of any size, cut into rows x columns: int64 [rows, columns].

    Of values that cover equally much the smallest counts. A patch that is mostly void, or has no pixel, is void.
    """
    height, width = mask.shape
    row = torch.arange(height) * rows // height
    column = torch.arange(width) * columns // width
    cells = row[:, None] * columns + column
    counts = torch.bincount((cells * 256 + mask).flatten(), minlength=rows * columns * 256)
    counts = counts.view(rows * columns, 256)
    labels = counts.argmax(dim=1)
    labels[counts.sum(dim=1) == 0] = VOID
    return labels.view(rows, columns)
