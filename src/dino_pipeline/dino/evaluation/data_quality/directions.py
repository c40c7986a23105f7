"""Features as directions from their mean."""

import torch
from torch import Tensor
from torch.nn import functional as F


def centered_directions(features: Tensor) -> Tensor:
    """Features less their mean, L2-normalised: [images, dimensions].

    After a short training all features share one large direction, and any two images have a cosine near 1; what
    tells them apart is what is left without it.
    """
    mean = features.mean(dim=0, dtype=torch.float64).to(features.dtype)
    return F.normalize(features - mean, dim=1)
