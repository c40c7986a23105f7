"""Two answers to the same questions: by how much one is better, and how sure that is (Efron 1979, the bootstrap)."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

_NUM_RESAMPLES = 10_000
_SEED = 0


class PairedDifference(NamedTuple):
    """Of two shares of the same images, in [-1, 1], with the interval of its bootstrap."""

    difference: float
    low: float
    high: float


def paired_difference(before: Tensor, after: Tensor) -> PairedDifference:
    """By how much the share of correct answers changed, with its 95 % interval; see `resampled_difference`."""
    return resampled_difference(before, after, confidence=0.95, num_resamples=_NUM_RESAMPLES, seed=_SEED)


def resampled_difference(
    before: Tensor, after: Tensor, *, confidence: float, num_resamples: int, seed: int
) -> PairedDifference:
    """By how much the share of correct answers changed, resampling images with both their answers.

    An image counts -1, 0 or 1, so that a resample is a draw of how often each occurs: the same distribution as
    drawing image by image, at no cost.

    Args:
        before, after: bool [images], whether each image was classified correctly.
        confidence: share of the resamples that the interval holds, as much being left out on either side.
    """
    change = after.long() - before.long()
    counts = torch.stack([(change == value).sum() for value in (-1, 0, 1)]).cpu().numpy()
    total = int(counts.sum())
    draws = np.random.default_rng(seed).multinomial(total, counts / total, size=num_resamples)
    tail = (1 - confidence) / 2
    low, high = np.quantile((draws[:, 2] - draws[:, 0]) / total, [tail, 1 - tail])
    return PairedDifference(float(counts[2] - counts[0]) / total, float(low), float(high))
