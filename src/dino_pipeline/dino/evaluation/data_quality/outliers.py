"""How far an image lies from others: the distance to its k-th neighbour (Ramaswamy et al. 2000)."""

import torch
from torch import Tensor


def neighbor_distance(
    directions: Tensor, *, num_neighbors: int, row_chunk: int = 1024, column_chunk: int = 16384
) -> Tensor:
    """1 - cosine of the k-th nearest other image: [images]. With k images or fewer, of the furthest.

    Args:
        directions: [images, dimensions], L2-normalised.
        row_chunk, column_chunk: of the matrix of cosines, held at a time, which bounds memory.

    Raises:
        ValueError: there is no other image.
    """
    num_images = len(directions)
    if num_images < 2:
        raise ValueError(f"a distance to a neighbour needs two images or more, got {num_images}")
    k = min(num_neighbors, num_images - 1)
    distances = []
    for top in range(0, num_images, row_chunk):
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
