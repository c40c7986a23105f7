"""How sure a mean over images is: the percentile bootstrap (Efron 1979)."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor


class Resampling(NamedTuple):
    """How an interval is drawn."""

    confidence: float  # share of the resamples that it holds, as much being left out on either side
    num_resamples: int
    seed: int


USUAL = Resampling(confidence=0.95, num_resamples=10_000, seed=0)


class MeanInterval(NamedTuple):
    """A mean with its interval."""

    mean: float
    low: float
    high: float


def bootstrap_mean(values: Tensor, resampling: Resampling = USUAL) -> MeanInterval:
    """The mean over images, and its interval when images are drawn anew.

    Few values occur, since each counts right answers, so that a resample is a draw of how often each occurs: the
    same distribution as drawing image by image, at hardly any cost.

    Args:
        values: [images], one number each.
    """
    occurring, counts = torch.unique(values.double(), return_counts=True)
    total = len(values)
    shares = counts.cpu().numpy() / total
    draws = np.random.default_rng(resampling.seed).multinomial(total, shares, size=resampling.num_resamples)
    tail = (1 - resampling.confidence) / 2
    low, high = np.quantile(draws @ occurring.cpu().numpy() / total, [tail, 1 - tail])
    return MeanInterval(float(values.double().mean()), float(low), float(high))
