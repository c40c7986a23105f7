"""How sure a mean over images is: the percentile bootstrap (Efron 1979)."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

_NUM_RESAMPLES = 10_000
_SEED = 0


class MeanInterval(NamedTuple):
    """A mean with its 95 % interval."""

    mean: float
    low: float
    high: float


def bootstrap_mean(values: Tensor) -> MeanInterval:
    """The mean over images, and its interval when images are drawn anew.

    Few values occur, since each counts right answers, so that a resample is a draw of how often each occurs: the
    same distribution as drawing image by image, at hardly any cost.

    Args:
        values: [images], one number each.
    """
    occurring, counts = torch.unique(values.double(), return_counts=True)
    total = len(values)
    shares = counts.cpu().numpy() / total
    draws = np.random.default_rng(_SEED).multinomial(total, shares, size=_NUM_RESAMPLES)
    low, high = np.quantile(draws @ occurring.cpu().numpy() / total, [0.025, 0.975])
    return MeanInterval(float(values.double().mean()), float(low), float(high))
