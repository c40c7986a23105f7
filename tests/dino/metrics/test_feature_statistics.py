"""Feature statistics against cases worked by hand and numpy's singular values."""

import numpy as np
import pytest
import torch

from dino_pipeline.dino.metrics.feature_statistics import effective_rank, feature_std


def test_effective_rank_of_equal_orthogonal_directions_is_their_number():
    assert effective_rank(torch.eye(6)) == pytest.approx(6)
    assert effective_rank(torch.eye(6)[:4]) == pytest.approx(4)
    assert effective_rank(torch.cat([torch.eye(3)] * 5)) == pytest.approx(3)


def test_effective_rank_of_one_direction_is_one():
    features = torch.outer(torch.arange(1.0, 9.0), torch.tensor([3.0, -1.0, 2.0]))
    assert effective_rank(features) == pytest.approx(1, abs=1e-5)


def test_effective_rank_of_unequal_singular_values_worked_by_hand():
    # shares 3/4 and 1/4: entropy 0.5623351
    assert effective_rank(torch.diag(torch.tensor([3.0, 1.0]))) == pytest.approx(np.exp(0.5623351446))


@pytest.mark.parametrize("shape", [(50, 8), (8, 50)])
def test_effective_rank_equals_the_formula_on_numpys_singular_values(shape):
    features = np.random.default_rng(0).normal(size=shape)
    shares = np.linalg.svd(features, compute_uv=False)
    shares /= shares.sum()
    expected = np.exp(-(shares * np.log(shares)).sum())
    assert effective_rank(torch.from_numpy(features), chunk=7) == pytest.approx(expected, rel=1e-9)


def test_effective_rank_is_the_papers_rankme_but_for_its_epsilon():
    features = np.random.default_rng(0).normal(size=(600, 256)) * np.exp(-np.arange(256) / 40)
    singular_values = np.linalg.svd(features, compute_uv=False)
    shares = singular_values / singular_values.sum() + 1e-7
    rankme = np.exp(-(shares * np.log(shares)).sum())
    assert effective_rank(torch.from_numpy(features)) == pytest.approx(rankme, rel=2e-3)


def test_feature_std_is_zero_when_all_images_share_a_direction():
    assert feature_std(torch.tensor([[1.0, 2.0], [2.0, 4.0], [0.5, 1.0]])) == pytest.approx(0, abs=1e-7)


def test_feature_std_of_spread_features_is_about_one_over_the_root_of_the_dimensions():
    features = torch.randn(4000, 64, generator=torch.Generator().manual_seed(0))
    assert feature_std(features) == pytest.approx(1 / 8, rel=0.01)
