"""Clusters of near-duplicates: images connected by chains of pairs whose cosine is above a threshold."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dino_pipeline.dino.progress import with_progress


class NearDuplicates(NamedTuple):
    """Cluster and nearest-image cosine of each image."""

    clusters: NDArray[np.int64]  # [images]; 0 is the largest cluster, -1 an image without near-duplicates
    cosine: NDArray[np.float64]  # [images], to the nearest other image


def near_duplicates(
    directions: Tensor, threshold: float, *, row_chunk: int = 1024, column_chunk: int = 4096
) -> NearDuplicates:
    """Connected components of the pairs with a cosine of at least `threshold`. Every pair is visited once.

    Clusters of equal size are in the order of their first images.

    Args:
        directions: [images, dimensions], L2-normalised.
        row_chunk, column_chunk: size of the block of the cosine matrix in memory.
    """
    num_images = len(directions)
    parents = np.arange(num_images)
    nearest = torch.full((num_images,), -torch.inf, dtype=directions.dtype, device=directions.device)
    for top in with_progress(range(0, num_images, row_chunk), "find duplicates", unit="chunks"):
        rows = directions[top : top + row_chunk]
        for left in range(top, num_images, column_chunk):
            cosines = rows @ directions[left : left + column_chunk].T
            # Pairs above the diagonal: [i, j] is the pair of images top + i < left + j.
            cosines.masked_fill_(_not_above(cosines, top - left), -torch.inf)
            _raise_to(nearest[top : top + row_chunk], cosines.amax(dim=1))
            _raise_to(nearest[left : left + column_chunk], cosines.amax(dim=0))
            if _are_one(parents[top : top + row_chunk], parents[left : left + column_chunk]):
                continue  # for collapsed features, all pairs of images would be above the threshold
            first, second = torch.nonzero(cosines >= threshold, as_tuple=True)
            if len(first):
                _join(parents, first.cpu().numpy() + top, second.cpu().numpy() + left)
    return NearDuplicates(_number_by_size(parents), nearest.double().cpu().numpy())


def _not_above(cosines: Tensor, offset: int) -> Tensor:
    return torch.ones_like(cosines, dtype=torch.bool).tril(diagonal=offset)


def _raise_to(part: Tensor, values: Tensor) -> None:
    torch.maximum(part, values, out=part)


def _are_one(*parts: NDArray[np.int64]) -> bool:
    return all(bool((part == parts[0][0]).all()) for part in parts)


def _join(parents: NDArray[np.int64], first: NDArray[np.int64], second: NDArray[np.int64]) -> None:
    """Unite the trees of each pair, in place. Before and after, every image's parent is its tree's root.

    All pairs run at once: each root gets the smallest root that a pair connects it to as its parent, until no pair
    connects different trees.
    """
    while True:
        one, other = parents[first], parents[second]
        apart = one != other
        if not apart.any():
            return
        first, second, one, other = first[apart], second[apart], one[apart], other[apart]
        np.minimum.at(parents, np.maximum(one, other), np.minimum(one, other))
        while not np.array_equal(roots := parents[parents], parents):
            parents[:] = roots


def _number_by_size(parents: NDArray[np.int64]) -> NDArray[np.int64]:
    roots, members, sizes = np.unique(parents, return_inverse=True, return_counts=True)
    order = np.argsort(-sizes, kind="stable")
    numbers = np.empty(len(roots), dtype=np.int64)
    numbers[order] = np.arange(len(roots))
    numbers[sizes == 1] = -1
    return numbers[members]
