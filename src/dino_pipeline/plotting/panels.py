"""Show a backbone's view of an image: the attention of each head (ViT), or principal components as colours."""

from dataclasses import replace
from typing import Any

import torch
from matplotlib import colormaps
from numpy.typing import NDArray
from torch.nn import functional as F

from dino_pipeline.dino.core.data.images import DeepPixels
from dino_pipeline.dino.core.data.images_config import PixelStatistics
from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.core.models.backbone import Backbone
from dino_pipeline.dino.core.models.backbones.vision_transformer import ViTBackbone
from dino_pipeline.dino.evaluation.attention import class_attention, feature_colors
from dino_pipeline.dino.evaluation.sizes import fitted, resized
from dino_pipeline.dino.features.evaluation_transform import EvaluationDataset, normalise
from dino_pipeline.dino.features.evaluation_transform_config import EvaluationTransformConfig
from dino_pipeline.dino.features.sampling import evenly_spaced
from dino_pipeline.plotting.grids import Panel
from dino_pipeline.plotting.pixels import visible


def spread(images: Manifest, num_images: int) -> Manifest:
    """Choose evenly spaced images, so that none is hand-picked."""
    return images.take(evenly_spaced(len(images), num_images))


def panels(
    backbone: Backbone, images: Manifest, *, image_size: int, transform: EvaluationTransformConfig
) -> list[list[Panel]]:
    """A list for each image: its central square, then one panel per head of a ViT, or one panel of colours.

    Args:
        backbone: in evaluation mode, on CPU.
        images: at least one image.
        image_size: side in pixels, rounded down to whole patches.
        transform: the preparation of the model's images, except the size.
    """
    size = image_size - image_size % patch_size(backbone)
    dataset = EvaluationDataset(images, replace(transform, resize=size, crop=size))
    crops = torch.stack([dataset[i] for i in range(len(dataset))])
    return _panels(backbone, crops, PixelStatistics(transform.mean, transform.std))


def whole_panels(
    backbone: Backbone, image: DeepPixels, *, size: int, statistics: PixelStatistics
) -> list[Panel]:
    """The same panels of one image in its own shape.

    Args:
        backbone: in evaluation mode, on CPU.
        image: [H, W, channels] of the model's channels and bits.
        size: shorter side in px; both sides are rounded to whole patches.
        statistics: pixel statistics of the training.
    """
    height, width = fitted(*image.shape[:2], size=size, patch=patch_size(backbone))
    return _panels(backbone, resized(image, height, width), statistics)[0]


def _panels(backbone: Backbone, crops: torch.Tensor, statistics: PixelStatistics) -> list[list[Panel]]:
    size = crops.shape[-2:]
    pixels = [visible(crop.permute(1, 2, 0).numpy()) / 255 for crop in crops]
    inputs = normalise(crops, *statistics)
    if isinstance(backbone, ViTBackbone):
        attention = F.interpolate(class_attention(backbone, inputs), size, mode="bilinear").numpy()
        return [
            [("image", image), *((f"head {i + 1}", overlay(image, heat)) for i, heat in enumerate(heats))]
            for image, heats in zip(pixels, attention, strict=True)
        ]
    colors = feature_colors(backbone, inputs).permute(0, 3, 1, 2)
    enlarged = F.interpolate(colors, size, mode="nearest").permute(0, 2, 3, 1).numpy()
    return [
        [("image", image), ("principal components", color)]
        for image, color in zip(pixels, enlarged, strict=True)
    ]


def patch_size(backbone: Backbone) -> int:
    """The patch size of a ViT in pixels; 1 for a ConvNet, which takes images of any size."""
    return int(backbone.model.patch_embed.patch_size[0]) if isinstance(backbone, ViTBackbone) else 1


def overlay(image: NDArray[Any], heat: NDArray[Any]) -> NDArray[Any]:
    """The image [H, W, 3] in [0, 1] dimmed, yellow where the heat is high. Each panel has its own scale."""
    scaled = (heat - heat.min()) / max(float(heat.max() - heat.min()), 1e-12)
    blended: NDArray[Any] = 0.35 * image + 0.65 * colormaps["inferno"](scaled)[..., :3]
    return blended
