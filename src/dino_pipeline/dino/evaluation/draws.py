"""Which images' labels are seen when only a share of them may be: drawn within each class."""

import numpy as np
from numpy.typing import NDArray

from dino_pipeline.dino.core.data.addressing import Domain, generator_at


def stratified_draw(labels: NDArray[np.int64], fraction: float, *, seed: int) -> NDArray[np.int64]:
    """Positions of a share of each class, at least one image of it, in ascending order.

    Every seed draws equally many, and of one seed a smaller draw is a part of a larger one.

    Args:
        labels: int64 [images], all of them classes.
    """
    drawn = []
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        num_drawn = max(1, int(fraction * len(members) + 0.5))
        order = generator_at(seed, Domain.LABELLED, int(label)).permutation(len(members))
        drawn.append(members[order[:num_drawn]])
    return np.sort(np.concatenate(drawn))
