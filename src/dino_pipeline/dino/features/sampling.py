"""Some of many, at even distances: nobody chose them, and the same call takes the same ones."""

import numpy as np
from numpy.typing import NDArray


def evenly_spaced(count: int, at_most: int) -> NDArray[np.int64]:
    """Positions among `count`, the first and the last with them, ascending: int64 [min(count, at_most)]."""
    return np.linspace(0, count - 1, min(count, at_most)).round().astype(np.int64)
