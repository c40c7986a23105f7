"""The cleaning list: near-duplicates and outliers of a data set, image by image, with a suggestion to keep or drop."""

import math
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from dino_pipeline.dino.core.data.manifest import SPLITS, Manifest
from dino_pipeline.dino.evaluation.data_quality.config import NearDuplicatesConfig, OutliersConfig
from dino_pipeline.dino.evaluation.data_quality.near_duplicates import near_duplicates
from dino_pipeline.dino.progress import with_progress


def centered_directions(features: Tensor) -> Tensor:
    """Subtract the mean from features and L2-normalise them: [images, dimensions].

    After a short training all features share one large direction, and any two images have a cosine near 1. The
    differences between images are in what remains.
    """
    mean = features.mean(dim=0, dtype=torch.float64).to(features.dtype)
    return F.normalize(features - mean, dim=1)


def neighbor_distance(
    directions: Tensor, *, num_neighbors: int, row_chunk: int = 1024, column_chunk: int = 16384
) -> Tensor:
    """1 - cosine to the k-th nearest other image (Ramaswamy et al. 2000): [images].

    With k images or fewer, this is the distance to the furthest.

    Args:
        directions: [images, dimensions], L2-normalised.
        row_chunk, column_chunk: size of the block of the cosine matrix in memory.

    Raises:
        ValueError: there is no other image.
    """
    num_images = len(directions)
    if num_images < 2:
        raise ValueError(f"outliers need two images or more, got {num_images}")
    k = min(num_neighbors, num_images - 1)
    distances = []
    for top in with_progress(range(0, num_images, row_chunk), "find outliers", unit="chunks"):
        rows = directions[top : top + row_chunk]
        nearest = rows.new_empty(len(rows), 0)
        for left in range(0, num_images, column_chunk):
            cosines = rows @ directions[left : left + column_chunk].T
            own = torch.arange(top, top + len(rows), device=rows.device) - left
            inside = torch.nonzero((own >= 0) & (own < cosines.shape[1])).squeeze(1)
            cosines[inside, own[inside]] = -torch.inf
            nearest = torch.cat([nearest, cosines], dim=1)
            nearest = nearest.topk(min(k, nearest.shape[1]), dim=1).values
        distances.append(1 - nearest[:, -1])
    return torch.cat(distances)


NEAR_DUPLICATE = "near_duplicate"
OUTLIER = "outlier"

SCHEMA = pa.schema(
    [
        ("row_id", pa.int64()),  # manifest row
        ("path", pa.string()),
        ("member", pa.string()),
        ("split", pa.string()),
        ("sha256", pa.string()),  # identifies the image in an exclusion
        ("kind", pa.string()),  # near_duplicate | outlier
        ("cluster", pa.int64()),  # 0 is the largest; null for an outlier
        ("across_splits", pa.bool_()),  # the cluster has images of several splits: a leak
        ("score", pa.float64()),  # cosine to the nearest image; outlier: 1 - cosine to the k-th nearest
        ("keep", pa.bool_()),
    ]
)


class Cleaning(NamedTuple):
    """The list and its summary."""

    table: pa.Table  # columns as in `SCHEMA`
    summary: dict[str, Any]


def cleaning_list(
    images: Manifest,
    directions: Tensor,
    duplicates_config: NearDuplicatesConfig,
    outliers_config: OutliersConfig,
) -> Cleaning:
    """List near-duplicates by cluster, largest cluster and kept images first; then outliers, the furthest first.

    In a cluster, the images of its most held-out split stay, so that evaluations keep their data; in a cluster of train
    only, the image with most pixels stays. Outliers stay unless `drop` is set: some images are always the furthest, and
    a person should look at them.

    Args:
        images: the manifest's rows, in the order of `directions`.
        directions: [images, dimensions], centered and L2-normalised.
    """
    duplicates = near_duplicates(directions, duplicates_config.cosine)
    splits = np.array([SPLITS.index(split) for split in images.table["split"].to_pylist()])
    pixels = images.table["width"].to_numpy().astype(np.int64) * images.table["height"].to_numpy()
    keep, across = _suggest(duplicates.clusters, splits, pixels)
    share = float((~keep).mean())
    is_withheld = share > duplicates_config.max_dropped_share
    if is_withheld:
        keep[:] = True

    distances = neighbor_distance(directions, num_neighbors=outliers_config.num_neighbors).cpu().numpy()
    furthest = np.argsort(-distances, kind="stable")[: math.ceil(outliers_config.share * len(images))]
    keep_outliers = np.ones(len(furthest), bool)
    if outliers_config.drop:
        keep_outliers = splits[furthest] != SPLITS.index("train")

    listed = np.flatnonzero(duplicates.clusters >= 0)
    listed = listed[np.lexsort((listed, ~keep[listed], duplicates.clusters[listed]))]
    positions = np.concatenate([listed, furthest])
    kinds = [NEAR_DUPLICATE] * len(listed) + [OUTLIER] * len(furthest)
    rows = images.take(positions)
    columns = {
        "row_id": rows.row_ids,
        **{name: rows.table[name] for name in ("path", "member", "split", "sha256")},
        "kind": kinds,
        "cluster": [*duplicates.clusters[listed].tolist(), *[None] * len(furthest)],
        "across_splits": np.concatenate([across[listed], np.zeros(len(furthest), bool)]),
        "score": np.concatenate([duplicates.cosine[listed], distances[furthest]]).astype(np.float64).round(6),
        "keep": np.concatenate([keep[listed], keep_outliers]),
    }
    table = pa.table(columns, schema=SCHEMA)
    summary = {
        "num_images": len(images),
        "near_duplicates": _count(duplicates.clusters, across, share, is_withheld),
        "outliers": {
            "images": len(furthest),
            "nearest_listed_distance": round(float(distances[furthest[-1]]), 6),
            "median_distance": round(float(np.median(distances)), 6),
        },
        "suggested_to_drop": _dropped(table),
    }
    return Cleaning(table, summary)


def _suggest(
    clusters: NDArray[np.int64], splits: NDArray[np.int64], pixels: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Whether each image stays, and whether its cluster has images of several splits."""
    keep = np.ones(len(clusters), bool)
    across = np.zeros(len(clusters), bool)
    by_cluster = np.argsort(clusters, kind="stable")
    sorted_clusters = clusters[by_cluster]
    starts = np.flatnonzero(np.diff(sorted_clusters, prepend=-1))
    for members in np.split(by_cluster, starts):
        if len(members) == 0 or clusters[members[0]] < 0:
            continue
        most_held_out = splits[members].max()
        stays = splits[members] == most_held_out
        if most_held_out == SPLITS.index("train"):
            stays = np.arange(len(members)) == np.argmax(pixels[members])
        keep[members] = stays
        across[members] = len(np.unique(splits[members])) > 1
    return keep, across


def _count(
    clusters: NDArray[np.int64], across: NDArray[np.bool_], share: float, is_withheld: bool
) -> dict[str, Any]:
    sizes = np.bincount(clusters[clusters >= 0])
    return {
        "clusters": len(sizes),
        "images": int(sizes.sum()),
        "largest_cluster": int(sizes.max(initial=0)),
        "clusters_across_splits": len(np.unique(clusters[across])),
        "redundant_share": round(share, 6),  # share of near-duplicates to drop among all images
        "suggestion_withheld": is_withheld,
    }


def _dropped(table: pa.Table) -> dict[str, int]:
    dropped = {
        (row, split)
        for row, split, keep in zip(
            table["row_id"].to_pylist(), table["split"].to_pylist(), table["keep"].to_pylist(), strict=True
        )
        if not keep
    }
    return {name: sum(split == name for _, split in dropped) for name in SPLITS}
