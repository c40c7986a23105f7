"""Alignment (Wang and Isola, arXiv:2005.10242, 4.1): the distance between two views of one image."""

from torch import Tensor
from torch.nn import functional as F


def alignment(first: Tensor, second: Tensor) -> float:
    """Mean of |x - y|^2 (the paper's alpha = 2) over pairs of views, L2-normalised.

    0 if the views of each image agree, 2 if they are orthogonal on average.

    Args:
        first, second: [images, dimensions] of two views, in the same order.

    Raises:
        ValueError: the numbers of views differ, or there are none.
    """
    if len(first) != len(second) or len(first) == 0:
        raise ValueError(f"alignment needs pairs of views, got {len(first)} and {len(second)}")
    difference = F.normalize(first, dim=1) - F.normalize(second, dim=1)
    return float(difference.double().square().sum(dim=1).mean())
