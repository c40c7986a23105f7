"""Copies search for their originals among originals and distractors."""

import torch
from torch import Tensor


def original_ranks(copies: Tensor, originals: Tensor, gallery: Tensor) -> Tensor:
    """Places, from 1, of the copies' originals in the whole gallery: int64 [copies].

    Args:
        copies: unit vectors [copies, dim].
        originals: int64 [copies], the position of each copy's original in the gallery.
        gallery: unit vectors [gallery, dim]; equally similar ones rank by their position.
    """
    similarities = copies @ gallery.T
    wanted = originals.unsqueeze(1)
    own = similarities.gather(1, wanted)
    earlier = torch.arange(len(gallery), device=gallery.device) < wanted
    return 1 + ((similarities > own) | ((similarities == own) & earlier)).sum(dim=1)


def average_precision_of_one(ranks: Tensor, *, depth: int) -> Tensor:
    """Average precision of a search for one image that came at a place: float64 [searches].

    The trapezoid of the Holidays and Copydays evaluation has precision 0 on its left side, unless the image came first.

    Args:
        ranks: from 1.
        depth: later places count nothing.
    """
    area = torch.where(ranks == 1, 1.0, 1 / (2 * ranks.double()))
    return torch.where(ranks <= depth, area, 0.0)
