"""The descriptor of copy detection: image resized to a square, [CLS] joined with pooled patch tokens, whitened."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Dataset

from dino_pipeline.dino.core.data.images import decode_rgb
from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.core.models.backbone import Backbone
from dino_pipeline.dino.evaluation.sizes import resized

_SMALLEST = 1e-6  # as in the reference, because tokens have negative entries and roots need positive ones


def copy_descriptor(backbone: Backbone, images: Tensor, *, power: float) -> Tensor:
    """[CLS] (or a ConvNet's pooled feature), then the generalised mean of the last patch tokens (or map): [N, 2 dim].

    Args:
        images: normalised [N, 3, H, W], sides divisible by the patch size.
        power: of the mean; 4 in the paper.
    """
    pooled = generalised_mean(backbone.patch_tokens(images).float(), power)
    return torch.cat([backbone(images).float(), pooled], dim=1)


def generalised_mean(tokens: Tensor, power: float) -> Tensor:
    """(mean of x^power)^(1/power) over rows and columns: [N, rows, columns, dim] to [N, dim] (arXiv:1711.02512)."""
    return tokens.clamp(min=_SMALLEST).pow(power).mean(dim=(1, 2)).pow(1 / power)


class SqueezedImages(Dataset[Tensor]):
    """Images resized to uint8 [3, size, size], bicubic, without keeping the aspect ratio.

    No part of an image is cropped, since a copy may show only a part of its original.
    """

    def __init__(self, images: Manifest, size: int) -> None:
        self.images = images
        self.size = size

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Tensor:
        return resized(decode_rgb(self.images.read_bytes(index)), self.size, self.size)[0]


class Whitening(NamedTuple):
    """An affine map, float64."""

    mean: Tensor  # [dim]
    projection: Tensor  # [dim, dim]

    def __call__(self, descriptors: Tensor) -> Tensor:
        """Whiten [N, dim] to float64 [N, dim]: the images it was learned on become uncorrelated with variance 1."""
        return (descriptors.double() - self.mean) @ self.projection


def learn_whitening(descriptors: Tensor, *, eigenvalue_floor: float) -> Whitening:
    """Learn principal axes of [images, dim], each divided by its standard deviation (Jégou and Chum, ECCV 2012).

    This reduces the weight of directions that many images share.

    Args:
        descriptors: at least two.
        eigenvalue_floor: smaller variances are raised to this share of the largest, so that a direction in which
            these images hardly differ does not outweigh all others.
    """
    values = descriptors.double()
    mean = values.mean(dim=0)
    centered = values - mean
    variances, axes = torch.linalg.eigh(centered.T @ centered / (len(values) - 1))
    variances = variances.clamp(min=eigenvalue_floor * float(variances.max()))
    return Whitening(mean, (axes / variances.sqrt()).flip(1))
