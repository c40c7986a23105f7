"""Confidence interval of a mean of few independent values: Student's t interval (Student 1908)."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy.special import stdtrit

_CONFIDENCE = 0.95


class Interval(NamedTuple):
    """The mean and the half width of its 95 % interval; None for a single value."""

    mean: float
    half_width: float | None


def interval(values: Sequence[float]) -> Interval:
    """Mean of independent values with its 95 % interval."""
    mean = float(np.mean(values))
    if len(values) == 1:
        return Interval(mean, None)
    standard_error = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    # |t| is below this with a probability of 95 %.
    quantile = float(stdtrit(len(values) - 1, (1 + _CONFIDENCE) / 2))
    return Interval(mean, quantile * standard_error)
