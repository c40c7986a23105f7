"""PCA whitening (Jégou and Chum, ECCV 2012): what other images have in common counts little."""

from typing import NamedTuple

import torch
from torch import Tensor


class Whitening(NamedTuple):
    """An affine map, float64."""

    mean: Tensor  # [dim]
    projection: Tensor  # [dim, dim]

    def __call__(self, descriptors: Tensor) -> Tensor:
        """[N, dim] to float64 [N, dim]: over the images it was learned on, uncorrelated and of variance 1."""
        return (descriptors.double() - self.mean) @ self.projection


def learn_whitening(descriptors: Tensor, *, eigenvalue_floor: float) -> Whitening:
    """Principal axes of [images, dim], each divided by its standard deviation.

    Args:
        descriptors: at least two.
        eigenvalue_floor: variances below this share of the largest are raised to it, so that a direction in which
            these images hardly differ does not outweigh all others.
    """
    values = descriptors.double()
    mean = values.mean(dim=0)
    centered = values - mean
    variances, axes = torch.linalg.eigh(centered.T @ centered / (len(values) - 1))
    variances = variances.clamp(min=eigenvalue_floor * float(variances.max()))
    return Whitening(mean, (axes / variances.sqrt()).flip(1))
