"""Alignment and uniformity against loops, and cases worked by hand."""

import numpy as np
import pytest
import torch

from dino_pipeline.dino.evaluation.data_quality.figures import alignment, uniformity


def test_alignment_equals_a_loop_over_the_pairs():
    first, second = np.random.default_rng(0).normal(size=(2, 11, 4))
    expected = np.mean(
        [
            ((x / np.linalg.norm(x) - y / np.linalg.norm(y)) ** 2).sum()
            for x, y in zip(first, second, strict=True)
        ]
    )
    assert alignment(torch.from_numpy(first), torch.from_numpy(second)) == pytest.approx(expected, rel=1e-12)


def test_alignment_of_equal_views_are_zero_orthogonal_two_and_opposite_four():
    views = torch.tensor([[3.0, 0.0], [0.0, 1.0]])
    assert alignment(views, 7 * views) == pytest.approx(0)
    assert alignment(views, views.flip(1)) == pytest.approx(2)
    assert alignment(views, -views) == pytest.approx(4)


def test_views_come_in_pairs():
    with pytest.raises(ValueError, match="got 3 and 2"):
        alignment(torch.ones(3, 2), torch.ones(2, 2))


def test_uniformity_equals_a_loop_over_all_pairs_for_any_chunk():
    features = np.random.default_rng(0).normal(size=(23, 5)) + 0.5
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    terms = [np.exp(-2 * ((unit[i] - unit[j]) ** 2).sum()) for i in range(23) for j in range(i)]
    for chunk in (1, 7, 23, 100):
        found = uniformity(torch.from_numpy(features), chunk=chunk)
        assert found == pytest.approx(np.log(np.mean(terms)), rel=1e-12)


def test_uniformity_of_one_direction_is_zero_and_opposite_ones_minus_four_t():
    assert uniformity(torch.tensor([[1.0, 2.0], [2.0, 4.0]])) == pytest.approx(0, abs=1e-6)
    assert uniformity(torch.tensor([[1.0, 0.0], [-3.0, 0.0]]), temperature=3.0) == pytest.approx(-12)


def test_many_dimensions_are_about_minus_two_t():
    features = torch.randn(2000, 512, generator=torch.Generator().manual_seed(0))
    assert uniformity(features) == pytest.approx(-4, abs=0.05)


def test_one_image_has_no_pairs():
    with pytest.raises(ValueError, match="two images or more, got 1"):
        uniformity(torch.ones(1, 3))
