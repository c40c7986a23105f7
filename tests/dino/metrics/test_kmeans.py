"""k-means against scikit-learn from the same centers, and clusters that cannot be missed."""

import numpy as np
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.datasets import load_digits

from dino_pipeline.dino.metrics.kmeans import kmeans, lloyd, plus_plus_centers


@pytest.fixture(scope="module")
def digits():
    return torch.from_numpy(load_digits().data[:500])


def test_lloyd_equals_scikit_learn_from_the_same_centers(digits):
    start = digits[:10]
    expected = KMeans(10, init=start.numpy(), n_init=1, algorithm="lloyd", max_iter=300, tol=0).fit(digits)
    found = lloyd(digits, start, max_iterations=300, chunk=64)
    np.testing.assert_array_equal(found.assignments, expected.labels_)
    np.testing.assert_allclose(found.centers, expected.cluster_centers_, rtol=1e-9, atol=1e-9)


def test_seeded_it_is_about_as_good_as_scikit_learn(digits):
    def inertia(seed):
        found = kmeans(digits, num_clusters=10, max_iterations=100, seed=seed)
        return float((digits - found.centers[found.assignments]).square().sum())

    expected = np.mean(
        [KMeans(10, n_init=1, random_state=seed).fit(digits.numpy()).inertia_ for seed in range(5)]
    )
    assert np.mean([inertia(seed) for seed in range(5)]) == pytest.approx(expected, rel=0.05)


def test_seeds_are_drawn_by_their_squared_distance():
    """From two points at 0 and one each at 1 and 3, the second is drawn with weights 0, 0, 1, 9 where 0 came first."""
    features = torch.tensor([[0.0], [0.0], [1.0], [3.0]])
    pairs = [
        plus_plus_centers(features, num_clusters=2, seed=seed).squeeze(1).tolist() for seed in range(2000)
    ]
    firsts = np.array([first for first, _ in pairs])
    assert np.mean(firsts == 0) == pytest.approx(0.5, abs=0.04)
    seconds = np.array([second for first, second in pairs if first == 0])
    assert np.mean(seconds == 3) == pytest.approx(0.9, abs=0.03)


def test_separate_groups_are_found_and_the_same_seed_gives_the_same():
    centers = 10 * torch.eye(4)
    features = (
        centers.repeat(25, 1) + 0.1 * torch.randn(100, 4, generator=torch.Generator().manual_seed(0))
    ).float()
    found = kmeans(features, num_clusters=4, max_iterations=20, seed=1)
    again = kmeans(features, num_clusters=4, max_iterations=20, seed=1, chunk=9)
    assert torch.equal(found.assignments, again.assignments)
    assert len({tuple(found.assignments[start::4].unique().tolist()) for start in range(4)}) == 4
    assert all(len(found.assignments[start::4].unique()) == 1 for start in range(4))


def test_equal_rows_make_no_more_clusters_than_there_are_different_ones():
    features = torch.tensor([[1.0, 0.0], [0.0, 1.0]]).repeat(20, 1)
    found = kmeans(features, num_clusters=5, max_iterations=20, seed=0)
    assert len(found.centers) == 2


def test_a_center_without_rows_stays_where_it_is():
    features = torch.tensor([[0.0], [1.0]])
    found = lloyd(features, torch.tensor([[0.5], [100.0]]), max_iterations=5)
    assert found.centers.squeeze(1).tolist() == [0.5, 100.0]
