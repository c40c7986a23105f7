"""What copy detection knows an image by: squeezed to a square, [CLS] joined with pooled patch tokens, whitened."""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.data import Dataset

from dino_pipeline.dino.core.data.images import decode_rgb
from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.core.models.backbone import Backbone
from dino_pipeline.dino.evaluation.sizes import resized

_SMALLEST = 1e-6  # as in the reference: tokens have negative entries, roots do not


def copy_descriptor(backbone: Backbone, images: Tensor, *, power: float) -> Tensor:
    """[CLS] (a ConvNet's pooled feature), then the generalised mean of the last patch tokens (its map): [N, 2 dim].

    Args:
        images: normalised [N, 3, H, W], sides divisible by the patch.
        power: of the mean; 4 in the paper.
    """
    pooled = generalised_mean(backbone.patch_tokens(images).float(), power)
    return torch.cat([backbone(images).float(), pooled], dim=1)


def generalised_mean(tokens: Tensor, power: float) -> Tensor:
    """(mean of x^power)^(1/power) over rows and columns: [N, rows, columns, dim] to [N, dim] (arXiv:1711.02512)."""
    return tokens.clamp(min=_SMALLEST).pow(power).mean(dim=(1, 2)).pow(1 / power)


class SqueezedImages(Dataset[Tensor]):
    """uint8 [3, size, size], bicubic, the sides' ratio lost: a copy's border may be where its original's middle is."""

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
        """[N, dim] to float64 [N, dim]: over the images it was learned on, uncorrelated and of variance 1."""
        return (descriptors.double() - self.mean) @ self.projection


def learn_whitening(descriptors: Tensor, *, eigenvalue_floor: float) -> Whitening:
    """Principal axes of [images, dim], each divided by its standard deviation (Jégou and Chum, ECCV 2012).

    What other images have in common counts little.

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
