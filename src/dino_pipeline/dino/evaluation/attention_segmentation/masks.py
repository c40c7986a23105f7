"""Each head's mask of an image: the patches that hold most of its [CLS] attention (arXiv:2104.14294, figure 4)."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from dino_pipeline.dino.core.data.images import Pixels
from dino_pipeline.dino.core.models.backbones.vision_transformer import ViTBackbone
from dino_pipeline.dino.evaluation.attention import class_attention, most_attended
from dino_pipeline.dino.evaluation.sizes import cell_size, resized
from dino_pipeline.dino.features.evaluation_transform import normalise


class Normalisation(NamedTuple):
    """Colour statistics per channel, as in training."""

    mean: Sequence[float]
    std: Sequence[float]


def head_masks(
    backbone: ViTBackbone, image: Pixels, normalisation: Normalisation, *, image_size: int | None, mass: float
) -> Tensor:
    """Bool [heads, seen height, seen width], in pixels of the image and nearest upsampled; on the CPU.

    What is left of whole patches at the right and the bottom is cut off, as the reference's
    visualize_attention.py does: the network does not see it, and the masks end there.

    Args:
        image: uint8 [height, width, 3].
        image_size: shorter side in px of what the network sees; None: the image as it is.

    Raises:
        ValueError: the image is smaller than a patch.
    """
    height, width = image.shape[:2]
    shorter = min(height, width)
    size = image_size or shorter
    pixels = resized(image, height * size // shorter, width * size // shorter)
    patch = cell_size(backbone)
    rows, columns = pixels.shape[-2] // patch, pixels.shape[-1] // patch
    if not rows or not columns:
        raise ValueError(
            f"an image of {width}x{height} px is smaller than a patch of {patch} px: "
            "set attention_segmentation.image_size"
        )
    device = next(backbone.parameters()).device
    seen = normalise(pixels[..., : rows * patch, : columns * patch].to(device), *normalisation)
    kept = most_attended(class_attention(backbone, seen), mass).cpu()
    own_size = (
        round(height * rows * patch / pixels.shape[-2]),
        round(width * columns * patch / pixels.shape[-1]),
    )
    return F.interpolate(kept.to(torch.uint8), own_size, mode="nearest")[0].bool()
