"""Positions at even distances."""

import numpy as np
import pytest

from dino_pipeline.dino.features.sampling import evenly_spaced


@pytest.mark.parametrize(
    ("count", "at_most", "expected"),
    [(10, 4, [0, 3, 6, 9]), (3, 8, [0, 1, 2]), (5, 1, [0]), (5, 2, [0, 4]), (0, 3, [])],
)
def test_the_ends_belong_to_it_and_nothing_is_taken_twice(count, at_most, expected):
    positions = evenly_spaced(count, at_most)
    assert positions.tolist() == expected
    assert positions.dtype == np.int64
