"""Evenly spaced samples, which are the same at every call."""

import numpy as np
from numpy.typing import NDArray


def evenly_spaced(count: int, at_most: int) -> NDArray[np.int64]:
    """Ascending positions among `count`, including the first and the last: int64 [min(count, at_most)]."""
    return np.linspace(0, count - 1, min(count, at_most)).round().astype(np.int64)
