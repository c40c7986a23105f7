"""The descriptor of copy detection: the feature joined with the generalised mean of the patch tokens."""

import torch
from torch import Tensor

from dino_pipeline.dino.core.models.backbone import Backbone

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
