"""Foreground masks from attention, at the image's own size."""

from collections.abc import Container
from pathlib import PurePosixPath
from typing import Literal

import torch
from PIL import Image
from torch.nn import functional as F

from dino_pipeline.dino.core.data.images import DeepPixels
from dino_pipeline.dino.core.data.images_config import PixelStatistics
from dino_pipeline.dino.core.models.backbone import Backbone
from dino_pipeline.dino.core.models.backbones.vision_transformer import ViTBackbone
from dino_pipeline.dino.evaluation.attention import class_attention, most_attended
from dino_pipeline.dino.evaluation.sizes import cell_size, fitted, resized
from dino_pipeline.dino.features.evaluation_transform import normalise

Rule = Literal["mean", "union", "heads"]


def foreground_masks(
    backbone: Backbone,
    image: DeepPixels,
    *,
    rule: Rule,
    size: int,
    mass: float,
    statistics: PixelStatistics,
) -> dict[str, Image.Image]:
    """Black and white masks of the image's size by the folder that each belongs into.

    Args:
        backbone: in evaluation mode, on CPU.
        rule: `mean`, the patches that hold `mass` of the heads' mean attention; `union`, those that any
            head's own mask keeps; both in the folder "". `heads`, a mask for each head, in head_1 and so on.
        size: of the shorter side that the network sees, in px; both sides are rounded to whole patches.
        mass: of the attention that a mask keeps.
        statistics: of the training.

    Raises:
        ValueError: the network has no attention of [CLS].
    """
    if not isinstance(backbone, ViTBackbone):
        raise ValueError(
            "--masks needs a ViT, whose [CLS] attends to patches: this network has no such attention"
        )
    height, width = fitted(*image.shape[:2], size=size, patch=cell_size(backbone))
    attention = class_attention(backbone, normalise(resized(image, height, width), *statistics))[0]
    if rule == "mean":
        masks = {"": most_attended(attention.mean(dim=0), mass)}
    elif rule == "union":
        masks = {"": most_attended(attention, mass).any(dim=0)}
    else:
        masks = {f"head_{head}": mask for head, mask in enumerate(most_attended(attention, mass), start=1)}
    own_size = image.shape[:2]
    return {
        folder: Image.fromarray(
            F.interpolate(mask[None, None].to(torch.uint8), own_size)[0, 0].bool().numpy()
        )
        for folder, mask in masks.items()
    }


def mask_name(image: str, taken: Container[str]) -> str:
    """The mask's file for an image's: cat.png for cat.jpg, and cat.jpg.png where that name is taken."""
    name = str(PurePosixPath(image).with_suffix(".png"))
    return name if name not in taken else f"{image}.png"
