"""Clusters of near-duplicates against scipy's connected components, for any chunk."""

import numpy as np
import pytest
import torch
from scipy.sparse.csgraph import connected_components
from torch.nn import functional as F

from dino_pipeline.dino.evaluation.data_quality.near_duplicates import near_duplicates


@pytest.fixture
def directions():
    """In four dimensions chains of all lengths form."""
    return F.normalize(torch.randn(300, 4, generator=torch.Generator().manual_seed(0)).double(), dim=1)


@pytest.mark.parametrize("threshold", [0.9, 0.97, 0.99, 0.999])
@pytest.mark.parametrize("chunks", [(7, 13), (64, 32), (1024, 4096)])
def test_clusters_are_the_connected_components(directions, threshold, chunks):
    found = near_duplicates(directions, threshold, row_chunk=chunks[0], column_chunk=chunks[1])
    cosines = (directions @ directions.T).numpy()
    _, components = connected_components(cosines >= threshold, directed=False)
    sizes = np.bincount(components)[components]
    np.testing.assert_array_equal(found.clusters >= 0, sizes > 1)
    together = found.clusters[:, None] == found.clusters
    listed = found.clusters >= 0
    expected = components[:, None] == components
    np.testing.assert_array_equal(together[listed][:, listed], expected[listed][:, listed])


def test_the_largest_cluster_is_number_zero(directions):
    sizes = np.bincount(near_duplicates(directions, 0.99).clusters + 1)[1:]
    assert len(sizes) > 3
    assert all(np.diff(sizes) <= 0)


@pytest.mark.parametrize("chunks", [(7, 13), (1024, 4096)])
def test_the_cosine_is_that_of_the_nearest_other_image(directions, chunks):
    found = near_duplicates(directions, 0.9, row_chunk=chunks[0], column_chunk=chunks[1])
    cosines = (directions @ directions.T).fill_diagonal_(-2)
    np.testing.assert_allclose(found.cosine, cosines.amax(dim=1), rtol=1e-12)


def test_a_chain_is_one_cluster_though_its_ends_differ():
    angles = torch.arange(40, dtype=torch.float64) * 0.05
    chain = torch.stack([angles.cos(), angles.sin()], dim=1)
    chain = chain[torch.randperm(40, generator=torch.Generator().manual_seed(0))]
    assert set(near_duplicates(chain, 0.998, row_chunk=4, column_chunk=4).clusters) == {0}


def test_equal_features_are_one_cluster():
    found = near_duplicates(torch.full((50, 4), 0.5), 0.95, row_chunk=4, column_chunk=8)
    assert set(found.clusters) == {0}
    np.testing.assert_allclose(found.cosine, 1)
