"""Region similarity J and contour accuracy F (Perazzi et al., CVPR 2016), as DAVIS 2017's semi-supervised tools do.

https://github.com/davisvideochallenge/davis2017-evaluation
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

Mask = NDArray[np.bool_]  # [height, width]

_TOLERANCE = 0.008  # of the diagonal: how far apart contours may be


class Statistics(NamedTuple):
    """Of one object's values over the frames of a video."""

    mean: float
    recall: float  # share of frames above 0.5
    decay: float  # mean of the first quarter less that of the last


def region_similarity(predicted: Mask, annotated: Mask) -> float:
    """J: intersection over union; 1 where both are empty."""
    union = np.count_nonzero(predicted | annotated)
    return np.count_nonzero(predicted & annotated) / union if union else 1.0


def contour_accuracy(predicted: Mask, annotated: Mask) -> float:
    """F: harmonic mean of the contours' precision and recall, each matched by what is near in the other.

    Where one has no contour it misses the other's whole: 0; where neither has any: 1.
    """
    ours, theirs = boundary(predicted), boundary(annotated)
    if not ours.any() or not theirs.any():
        return float(ours.any() == theirs.any())
    radius = int(np.ceil(_TOLERANCE * np.linalg.norm(predicted.shape)))
    disk = _disk(radius)
    precision = np.count_nonzero(ours & _dilated(theirs, disk)) / np.count_nonzero(ours)
    recall = np.count_nonzero(theirs & _dilated(ours, disk)) / np.count_nonzero(theirs)
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def boundary(mask: Mask) -> Mask:
    """Pixels that differ from their neighbour to the right, below or at the lower right; beyond the border lies what is
    before it.
    """
    padded = np.pad(mask, ((0, 1), (0, 1)), mode="edge")
    inside = padded[:-1, :-1]
    found: Mask = (inside ^ padded[:-1, 1:]) | (inside ^ padded[1:, :-1]) | (inside ^ padded[1:, 1:])
    return found


def statistics(values: NDArray[np.float64]) -> Statistics:
    """Mean, recall and decay of values [frames]; quarters share the frame between them, as DAVIS's do."""
    edges = np.round(np.linspace(1, len(values), 5) + 1e-10).astype(int) - 1
    first, last = values[: edges[1] + 1], values[edges[3] :]
    return Statistics(float(values.mean()), float((values > 0.5).mean()), float(first.mean() - last.mean()))


def _disk(radius: int) -> NDArray[np.uint8]:
    offsets = np.arange(-radius, radius + 1) ** 2
    return (offsets[:, None] + offsets <= radius**2).astype(np.uint8)


def _dilated(mask: Mask, disk: NDArray[np.uint8]) -> Mask:
    return cv2.dilate(mask.astype(np.uint8), disk).astype(np.bool_)
