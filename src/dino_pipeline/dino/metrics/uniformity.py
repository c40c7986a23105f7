"""Uniformity (Wang and Isola, arXiv:2005.10242, 4.1): how evenly directions cover the sphere."""

import torch
from torch import Tensor
from torch.nn import functional as F


def uniformity(features: Tensor, *, temperature: float = 2.0, chunk: int = 1024) -> float:
    """Log of the mean of exp(-t |x - y|^2) over all pairs of different images, L2-normalised.

    The result is between 0 (all share one direction) and about -2t in many dimensions (t is 2 in the paper).

    Args:
        features: [images, dimensions].
        temperature: the paper's t.
        chunk: rows compared with all others at a time, which bounds memory.

    Raises:
        ValueError: fewer than two images.
    """
    if len(features) < 2:
        raise ValueError(f"uniformity needs two images or more, got {len(features)}")
    directions = F.normalize(features, dim=1)
    total = 0.0
    for start in range(0, len(directions), chunk):
        cosines = directions[start : start + chunk] @ directions[start:].T
        # For unit vectors, |x - y|^2 = 2 - 2 cos. Above the diagonal, each pair occurs once.
        terms = torch.exp(2 * temperature * (cosines - 1)).triu(diagonal=1)
        total += float(terms.sum(dtype=torch.float64))
    num_pairs = len(features) * (len(features) - 1) / 2
    return float(torch.log(torch.tensor(total / num_pairs, dtype=torch.float64)))
