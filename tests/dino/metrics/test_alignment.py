"""Alignment against a loop, and cases worked by hand."""

import numpy as np
import pytest
import torch

from dino_pipeline.dino.metrics.alignment import alignment


def test_it_equals_a_loop_over_the_pairs():
    first, second = np.random.default_rng(0).normal(size=(2, 11, 4))
    expected = np.mean(
        [
            ((x / np.linalg.norm(x) - y / np.linalg.norm(y)) ** 2).sum()
            for x, y in zip(first, second, strict=True)
        ]
    )
    assert alignment(torch.from_numpy(first), torch.from_numpy(second)) == pytest.approx(expected, rel=1e-12)


def test_equal_views_are_zero_orthogonal_two_and_opposite_four():
    views = torch.tensor([[3.0, 0.0], [0.0, 1.0]])
    assert alignment(views, 7 * views) == pytest.approx(0)
    assert alignment(views, views.flip(1)) == pytest.approx(2)
    assert alignment(views, -views) == pytest.approx(4)


def test_views_come_in_pairs():
    with pytest.raises(ValueError, match="got 3 and 2"):
        alignment(torch.ones(3, 2), torch.ones(2, 2))
