"""Pictures of what a backbone makes of one image, at the image's own shape."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch.nn import functional as F

from dino_pipeline.dino.core.data.images import DeepPixels
from dino_pipeline.dino.core.data.images_config import PixelStatistics
from dino_pipeline.dino.core.models.backbone import Backbone
from dino_pipeline.dino.core.models.backbones.vision_transformer import ViTBackbone
from dino_pipeline.dino.evaluation.attention import class_attention, feature_colors, most_attended
from dino_pipeline.dino.evaluation.sizes import cell_size, fitted, resized
from dino_pipeline.dino.features.evaluation_transform import normalise
from dino_pipeline.plotting.panels import overlay
from dino_pipeline.plotting.visible import visible


def pictures(
    backbone: Backbone,
    image: DeepPixels,
    *,
    size: int,
    mass: float,
    statistics: PixelStatistics,
) -> dict[str, Image.Image]:
    """By name: the image as the network saw it, of each head attention and mask (ViT), the features' colours.

    Args:
        backbone: in evaluation mode, on CPU.
        size: of the shorter side in px; both sides are rounded to whole patches.
        mass: of each head's attention that its mask keeps.
        statistics: of the training.
    """
    height, width = fitted(*image.shape[:2], size=size, patch=cell_size(backbone))
    pixels = resized(image, height, width)
    inputs = normalise(pixels, *statistics)
    shown = visible(pixels[0].permute(1, 2, 0).numpy()) / 255
    found = {"image": shown}
    if isinstance(backbone, ViTBackbone):
        attention = class_attention(backbone, inputs)[0]
        masks = most_attended(attention, mass)
        for head, (heat, mask) in enumerate(zip(attention, masks, strict=True), start=1):
            found[f"head_{head}_attention"] = overlay(
                shown, _enlarged(heat[None], height, width, "bilinear")[..., 0]
            )
            found[f"head_{head}_mask"] = _masked(
                shown, _enlarged(mask[None].float(), height, width, "nearest")
            )
        mean_heat = attention.mean(dim=0, keepdim=True)
        found["mean_attention"] = overlay(shown, _enlarged(mean_heat, height, width, "bilinear")[..., 0])
    colors = feature_colors(backbone, inputs)[0].permute(2, 0, 1)
    found["features"] = _enlarged(colors, height, width, "nearest")
    return {
        name: Image.fromarray((values * 255).round().clip(0, 255).astype(np.uint8))
        for name, values in found.items()
    }


def overview(named: dict[str, Image.Image]) -> Image.Image:
    """All pictures side by side: in the first row the image, attention and features, below them the masks."""
    first = [picture for name, picture in named.items() if not name.endswith("_mask")]
    masks = [picture for name, picture in named.items() if name.endswith("_mask")]
    width, height = first[0].size
    sheet = Image.new("RGB", (width * len(first), height * (2 if masks else 1)), "white")
    for column, picture in enumerate(first):
        sheet.paste(picture, (column * width, 0))
    for column, picture in enumerate(masks, start=1):  # under the attention that each belongs to
        sheet.paste(picture, (column * width, height))
    return sheet


def _enlarged(maps: torch.Tensor, height: int, width: int, mode: str) -> NDArray[Any]:
    """[channels, rows, columns] to [height, width, channels]."""
    enlarged: NDArray[Any] = (
        F.interpolate(maps[None].float(), (height, width), mode=mode)[0].permute(1, 2, 0).numpy()
    )
    return enlarged


def _masked(image: NDArray[Any], mask: NDArray[Any]) -> NDArray[Any]:
    """The image where the mask is, and a grey shadow of it elsewhere."""
    shadow = 0.15 + 0.25 * image.mean(axis=-1, keepdims=True)
    return np.where(mask > 0, image, shadow)
