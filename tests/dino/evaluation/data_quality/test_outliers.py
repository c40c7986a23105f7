"""The distance to the k-th neighbour against scikit-learn."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import NearestNeighbors
from torch.nn import functional as F

from dino_pipeline.dino.evaluation.data_quality.cleaning_list import neighbor_distance


@pytest.mark.parametrize("k", [1, 5])
@pytest.mark.parametrize("chunks", [(7, 13), (16, 3), (1024, 16384)])
def test_distances_equal_scikit_learns(k, chunks):
    directions = F.normalize(torch.randn(120, 6, generator=torch.Generator().manual_seed(0)).double(), dim=1)
    index = NearestNeighbors(n_neighbors=k, metric="cosine").fit(directions.numpy())
    expected, _ = index.kneighbors()  # of the images themselves: without the image itself
    found = neighbor_distance(directions, num_neighbors=k, row_chunk=chunks[0], column_chunk=chunks[1])
    np.testing.assert_allclose(found, expected[:, -1], rtol=1e-9, atol=1e-12)


def test_with_fewer_images_than_neighbours_the_furthest_counts():
    directions = torch.eye(3, dtype=torch.float64)
    directions[1] = directions[0]
    assert neighbor_distance(directions, num_neighbors=10).tolist() == [1, 1, 1]


def test_one_image_has_no_neighbour():
    with pytest.raises(ValueError, match="two images or more, got 1"):
        neighbor_distance(torch.ones(1, 3), num_neighbors=1)
