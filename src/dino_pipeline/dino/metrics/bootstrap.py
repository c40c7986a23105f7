"""How sure a mean over images is: the percentile bootstrap (Efron 1979), of whole groups where images have them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

Groups = Sequence[str | None]  # [images], None: an image on its own


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


def bootstrap_mean(
    values: Tensor, resampling: Resampling = USUAL, groups: Groups | None = None
) -> MeanInterval:
    """The mean over images, and its interval when images are drawn anew.

    Images of a group are not independent: a resample takes or leaves them together, and its mean is over the images
    that it has (the cluster bootstrap; Davison and Hinkley 1997, section 3.8).

    Few values occur, since each counts right answers, so that a resample is a draw of how often each occurs: the
    same distribution as drawing image by image, at hardly any cost.

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
    """Groups as numbers, in the order in which they first occur: int64 [images]; an image without one has its own."""
    ids: dict[str | int, int] = {}
    names = (position if group is None else group for position, group in enumerate(groups))
    return np.array([ids.setdefault(name, len(ids)) for name in names], dtype=np.int64)
