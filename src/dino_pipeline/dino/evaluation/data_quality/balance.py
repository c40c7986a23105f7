"""How evenly images are spread over clusters."""

from typing import Any

import torch
from torch import Tensor


def cluster_balance(assignments: Tensor) -> dict[str, Any]:
    """Shares of the smallest and the largest cluster, and the entropy of the sizes relative to equal ones.

    Args:
        assignments: int64 [images], clusters from 0 on.

    Returns:
        `num_clusters`, `smallest_share`, `largest_share`, `relative_entropy` (1: all of one size, 0: one holds all).
    """
    sizes = assignments.bincount()
    shares = sizes[sizes > 0].double() / len(assignments)
    uniform = torch.log(torch.tensor(float(len(shares)), dtype=torch.float64))
    entropy = torch.special.entr(shares).sum()
    return {
        "num_clusters": len(shares),
        "smallest_share": float(shares.min()),
        "largest_share": float(shares.max()),
        "relative_entropy": float(entropy / uniform) if len(shares) > 1 else 0.0,
    }
