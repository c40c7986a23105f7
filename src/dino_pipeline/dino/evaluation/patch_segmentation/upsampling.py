"""From scores of patches to the class of each pixel."""

import torch
from torch import Tensor
from torch.nn import functional as F


def upsampled_argmax(scores: Tensor, height: int, width: int) -> Tensor:
    """The class whose bilinearly upsampled score is highest: int64 [height, width], the first of equal ones.

    One class at a time, so that memory does not grow with their number.

    Args:
        scores: [rows, columns, classes].
    """
    best = torch.full((height, width), -torch.inf, dtype=scores.dtype, device=scores.device)
    winner = torch.zeros((height, width), dtype=torch.int64, device=scores.device)
    for index, score in enumerate(scores.unbind(dim=-1)):
        enlarged = F.interpolate(score[None, None], (height, width), mode="bilinear")[0, 0]
        higher = enlarged > best
        best = torch.where(higher, enlarged, best)
        winner = winner.masked_fill(higher, index)
    return winner
