"""Which images' labels are seen when only a share of them may be: drawn within each class."""

import numpy as np
from numpy.typing import NDArray

from dino_pipeline.dino.core.data.addressing import Domain, generator_at
from dino_pipeline.dino.metrics.bootstrap import Groups, group_ids


def stratified_draw(
    labels: NDArray[np.int64], fraction: float, *, seed: int, groups: Groups | None = None
) -> NDArray[np.int64]:
    """Positions of a share of each class, at least one image of it, in ascending order.

    Of one seed a smaller draw is a part of a larger one. Every seed draws equally many images, except with groups:
    these are drawn whole, of each class until its share is reached, so that a draw may be larger.

    Args:
        labels: int64 [images], all of them classes.
        groups: of the images; None: each image on its own.
    """
    units = np.arange(len(labels)) if groups is None else group_ids(groups)
    drawn = []
    for label in np.unique(labels):
        candidates, sizes = np.unique(units[labels == label], return_counts=True)
        num_images = max(1, int(fraction * sizes.sum() + 0.5))
        order = generator_at(seed, Domain.LABELLED, int(label)).permutation(len(candidates))
        num_units = 1 + np.searchsorted(np.cumsum(sizes[order]), num_images)
        drawn.append(candidates[order[:num_units]])
    return np.flatnonzero(np.isin(units, np.concatenate(drawn)))
