"""Image sizes in whole cells of a network: patches of a ViT, strides of a ConvNet."""

import numpy as np
import torch
from torch import Tensor

from dino_pipeline.dino.core.data.images import DeepPixels
from dino_pipeline.dino.core.data.resampling import resample
from dino_pipeline.dino.core.models.backbone import Backbone
from dino_pipeline.dino.core.models.backbones.vision_transformer import ViTBackbone

_CONVNET_STRIDE = 32  # pixels per cell of the last feature map


def cell_size(backbone: Backbone) -> int:
    """Side in pixels of the area that one patch token represents."""
    if isinstance(backbone, ViTBackbone):
        return int(backbone.model.patch_embed.patch_size[0])
    return _CONVNET_STRIDE


def fitted(height: int, width: int, *, size: int, patch: int) -> tuple[int, int]:
    """Height and width of the same shape, in whole patches, whose shorter side is nearest to `size`."""
    scale = size / min(height, width)
    rows, columns = (max(1, round(side * scale / patch)) for side in (height, width))
    return rows * patch, columns * patch


def resized(image: DeepPixels, height: int, width: int) -> Tensor:
    """Resize [H, W, channels] to [1, channels, height, width], same dtype, bicubic."""
    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None]
    if pixels.shape[-2:] == (height, width):
        return pixels
    return resample(pixels, (height, width))
