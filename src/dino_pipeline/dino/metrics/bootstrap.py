"""Confidence interval of a mean over images: percentile bootstrap (Efron 1979), over groups if there are any."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Groups = Sequence[str | None]  # [images]; None: an image without a group


class Resampling(NamedTuple):
    """Settings of a bootstrap."""

    confidence: float  # share of the resamples inside the interval; the rest is cut equally from both sides
    num_resamples: int
    seed: int


USUAL = Resampling(confidence=0.95, num_resamples=10_000, seed=0)


class MeanInterval(NamedTuple):
    """A mean with its interval."""

    mean: float
    low: float
    high: float


def bootstrap_mean(
    values: Tensor, resampling: Resampling = USUAL, groups: Groups | None = None
) -> MeanInterval:
    """The mean over images, and its interval under resampling.

    Images of a group are not independent: a resample takes or leaves them together, and its mean is over the images
    that it contains (the cluster bootstrap; Davison and Hinkley 1997, section 3.8).

    `values` has few distinct numbers, since each counts correct answers. So a resample draws how often each number
    occurs: the same distribution as drawing image by image, at almost no cost.

    Args:
        values: [images], one number each.
        groups: of the images; None: each image on its own.
    """
    numbers = values.double().cpu().numpy()
    ids = group_ids(groups) if groups is not None else np.arange(len(numbers))
    sizes, sums = np.bincount(ids), np.bincount(ids, weights=numbers)
    (size, total), counts = np.unique(np.stack([sizes, sums]), axis=1, return_counts=True)
    draws = np.random.default_rng(resampling.seed).multinomial(
        len(sums), counts / len(sums), size=resampling.num_resamples
    )
    tail = (1 - resampling.confidence) / 2
    low, high = np.quantile((draws @ total) / (draws @ size), [tail, 1 - tail])
    return MeanInterval(float(values.double().mean()), float(low), float(high))


def group_ids(groups: Groups) -> NDArray[np.int64]:
    """Number the groups in order of first occurrence: int64 [images]. An image without a group gets its own number."""
    ids: dict[str | int, int] = {}
    names = (position if group is None else group for position, group in enumerate(groups))
    return np.array([ids.setdefault(name, len(ids)) for name in names], dtype=np.int64)
