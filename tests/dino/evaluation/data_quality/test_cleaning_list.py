"""The cleaning list of a small set in which near-duplicates, leaks and an outlier are planted."""

from dataclasses import replace

import numpy as np
import pyarrow as pa
import pytest
import torch
from sklearn.neighbors import NearestNeighbors
from torch.nn import functional as F

from dino_pipeline.dino.core.data.manifest import SCHEMA, Manifest
from dino_pipeline.dino.evaluation.data_quality.cleaning_list import cleaning_list, neighbor_distance
from dino_pipeline.dino.evaluation.data_quality.config import NearDuplicatesConfig, OutliersConfig

# One letter a direction; images of one letter are near-duplicates.
IMAGES = [
    *[("train", letter) for letter in "aaabcdefgh"],
    *[("val", letter) for letter in "bbi"],
    *[("test", letter) for letter in "cj"],
]
DUPLICATES = NearDuplicatesConfig(cosine=0.99, max_dropped_share=0.5)
OUTLIERS = OutliersConfig(num_neighbors=1, share=0.05, drop=False)


@pytest.fixture
def images(tmp_path):
    rows = [
        {
            "path": f"{position}.png",
            "split": split,
            "width": 20 if position == 1 else 10,
            "height": 10,
            "sha256": f"hash {position}",
        }
        for position, (split, _) in enumerate(IMAGES)
    ]
    return Manifest(pa.Table.from_pylist(rows, schema=SCHEMA), tmp_path, 100 + np.arange(len(rows)))


@pytest.fixture
def directions():
    """Letters are the axes; h is the only one of whose axis no other image has anything."""
    shared = torch.tensor([0.2 * (letter != "h") for _, letter in IMAGES])
    axes = torch.eye(10)[[ord(letter) - ord("a") for _, letter in IMAGES]]
    noise = 0.01 * torch.randn(len(IMAGES), 10, generator=torch.Generator().manual_seed(0))
    return F.normalize(torch.cat([axes + noise, shared[:, None]], dim=1), dim=1)


def rows_of(table, kind):
    return [row for row in table.to_pylist() if row["kind"] == kind]


def test_clusters_name_their_images_and_those_that_stay_come_first(images, directions):
    table, _ = cleaning_list(images, directions, DUPLICATES, OUTLIERS)
    listed = rows_of(table, "near_duplicate")
    assert [
        (row["cluster"], row["row_id"], row["split"], row["keep"], row["across_splits"]) for row in listed
    ] == [
        (0, 101, "train", True, False),  # of train alone the one of most pixels
        (0, 100, "train", False, False),
        (0, 102, "train", False, False),
        (1, 110, "val", True, True),  # held-out images stay, both of them
        (1, 111, "val", True, True),
        (1, 103, "train", False, True),
        (2, 113, "test", True, True),
        (2, 104, "train", False, True),
    ]
    assert [row["sha256"] for row in listed] == [f"hash {row['row_id'] - 100}" for row in listed]
    assert min(row["score"] for row in listed) > 0.99


def test_the_furthest_image_is_the_outlier_and_stays_unless_asked(images, directions):
    for drop in (False, True):
        table, _ = cleaning_list(images, directions, DUPLICATES, replace(OUTLIERS, drop=drop))
        (outlier,) = rows_of(table, "outlier")
        assert (outlier["row_id"], outlier["cluster"], outlier["keep"]) == (109, None, not drop)


def test_held_out_outliers_are_never_suggested_to_go(images, directions):
    table, _ = cleaning_list(images, directions, DUPLICATES, replace(OUTLIERS, drop=True, share=1.0))
    kept = {row["row_id"]: row["keep"] for row in rows_of(table, "outlier")}
    assert kept == {100 + position: split != "train" for position, (split, _) in enumerate(IMAGES)}


def test_the_summary_counts_what_the_list_says(images, directions):
    _, summary = cleaning_list(images, directions, DUPLICATES, OUTLIERS)
    assert summary["near_duplicates"] == {
        "clusters": 3,
        "images": 8,
        "largest_cluster": 3,
        "clusters_across_splits": 2,
        "redundant_share": pytest.approx(4 / 15, abs=1e-6),
        "suggestion_withheld": False,
    }
    assert summary["suggested_to_drop"] == {"train": 4, "val": 0, "test": 0}


def test_where_too_many_would_go_nothing_is_suggested(images, directions):
    config = replace(DUPLICATES, max_dropped_share=0.2)
    table, summary = cleaning_list(images, directions, config, OUTLIERS)
    assert summary["near_duplicates"]["suggestion_withheld"]
    assert all(table["keep"].to_pylist())
    assert len(rows_of(table, "near_duplicate")) == 8


def test_a_set_without_near_duplicates_lists_outliers_alone(images):
    table, summary = cleaning_list(images, torch.eye(len(IMAGES)), DUPLICATES, OUTLIERS)
    assert [row["kind"] for row in table.to_pylist()] == ["outlier"]
    assert summary["near_duplicates"]["images"] == summary["near_duplicates"]["largest_cluster"] == 0


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
