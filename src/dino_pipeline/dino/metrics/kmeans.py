"""k-means: Lloyd's iteration from k-means++ seeds (Arthur and Vassilvitskii 2007)."""

from typing import NamedTuple

import torch
from torch import Tensor


class Clustering(NamedTuple):
    """The cluster of each row, and the clusters' means."""

    assignments: Tensor  # int64 [images]
    centers: Tensor  # [clusters, dimensions]


def kmeans(
    features: Tensor, *, num_clusters: int, max_iterations: int, seed: int, chunk: int = 8192
) -> Clustering:
    """Cluster by Euclidean distance. With fewer distinct rows than `num_clusters`, there are fewer clusters.

    Args:
        features: [images, dimensions], at least one image.
        max_iterations: upper limit; the iteration ends earlier if no assignment changes.
        chunk: rows compared at a time, which bounds memory.
    """
    return lloyd(
        features,
        plus_plus_centers(features, num_clusters=num_clusters, seed=seed, chunk=chunk),
        max_iterations=max_iterations,
        chunk=chunk,
    )


def plus_plus_centers(features: Tensor, *, num_clusters: int, seed: int, chunk: int = 8192) -> Tensor:
    """Rows [up to num_clusters, dimensions], each drawn with weight squared distance to the nearest earlier one."""
    draws = torch.rand(num_clusters, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    # Equal weights for the first draw.
    weights = torch.ones(len(features), dtype=torch.float64, device=features.device)
    nearest = torch.full_like(weights, torch.inf)
    chosen: list[Tensor] = []
    for draw in draws.tolist():
        cumulative = weights.cumsum(dim=0)
        if cumulative[-1] == 0:  # every row equals a center
            break
        position = int(torch.searchsorted(cumulative, draw * cumulative[-1], right=True))
        chosen.append(features[min(position, len(features) - 1)])
        distances = [(rows - chosen[-1]).double().square().sum(dim=1) for rows in features.split(chunk)]
        nearest = torch.minimum(nearest, torch.cat(distances))
        weights = nearest
    return torch.stack(chosen)


def lloyd(features: Tensor, centers: Tensor, *, max_iterations: int, chunk: int = 8192) -> Clustering:
    """Assign rows to the nearest center and move centers to the means, until nothing changes.

    A center that loses all its rows stays in place.
    """
    assignments = _nearest(features, centers, chunk)
    for _ in range(max_iterations):
        sums = torch.zeros(centers.shape, dtype=torch.float64, device=features.device)
        for rows, owners in zip(features.split(chunk), assignments.split(chunk), strict=True):
            sums.index_add_(0, owners, rows.double())
        sizes = assignments.bincount(minlength=len(centers)).unsqueeze(1)
        centers = torch.where(sizes > 0, sums / sizes.clamp(min=1), centers.double()).to(features.dtype)
        before, assignments = assignments, _nearest(features, centers, chunk)
        if torch.equal(before, assignments):
            break
    return Clustering(assignments, centers)


def _nearest(features: Tensor, centers: Tensor, chunk: int) -> Tensor:
    half_norms = centers.square().sum(dim=1) / 2
    # (|x - c|^2 - |x|^2) / 2, which has the same order.
    return torch.cat([(half_norms - rows @ centers.T).argmin(dim=1) for rows in features.split(chunk)])
