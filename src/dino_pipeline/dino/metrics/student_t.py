"""A mean and how far draws leave it uncertain: Student's t interval."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

_CONFIDENCE = 0.95
_NUM_ANGLES = 200_001


class Interval(NamedTuple):
    """The mean, and what to add and subtract for the 95 % interval; None for a single value."""

    mean: float
    half_width: float | None


def interval(values: Sequence[float]) -> Interval:
    """Mean of independent values with its 95 % interval."""
    mean = float(np.mean(values))
    if len(values) == 1:
        return Interval(mean, None)
    standard_error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return Interval(mean, student_t(len(values) - 1) * standard_error)


def student_t(degrees: int) -> float:
    """What |t| stays below with a probability of 95 %.

    With t = sqrt(degrees) tan(angle) the density is a power of the cosine, on a bounded range.
    """
    angles = np.linspace(0, math.pi / 2, _NUM_ANGLES)
    density = np.cos(angles) ** (degrees - 1)
    mass = np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2)])
    return math.sqrt(degrees) * math.tan(float(np.interp(_CONFIDENCE, mass / mass[-1], angles)))
