"""Draws held-out images beside what a backbone makes of them."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image
from torch.nn import functional as F

from dino_pipeline.dino.data.evaluation_transform import EvaluationDataset, normalise
from dino_pipeline.dino.data.evaluation_transform_config import EvaluationTransformConfig
from dino_pipeline.dino.data.manifest import Manifest
from dino_pipeline.dino.evaluation.attention import class_attention, feature_colors
from dino_pipeline.dino.evaluation.config import PictureConfig
from dino_pipeline.dino.models.backbone import Backbone
from dino_pipeline.dino.models.vision_transformer import ViTBackbone

Panel = tuple[str, np.ndarray[Any, Any]]  # title, RGB in [0, 1]


def picture(
    backbone: Backbone,
    images: Manifest,
    config: PictureConfig,
    *,
    mean: Sequence[float],
    std: Sequence[float],
) -> Image.Image:
    """A row for each of some images spread evenly over the manifest, the image first.

    A ViT gets one panel a head, [CLS] attention laid over the image; another network the principal components
    of its feature map as colours.
    """
    rows = np.linspace(0, len(images) - 1, min(config.num_images, len(images))).round().astype(np.int64)
    shown = images.take(rows)
    size = config.image_size - config.image_size % _patch(backbone)
    transform = EvaluationTransformConfig(resize=size, crop=size, mean=tuple(mean), std=tuple(std))  # type: ignore[arg-type]
    dataset = EvaluationDataset(shown, transform)
    crops = torch.stack([dataset[i] for i in range(len(dataset))])
    pixels = crops.permute(0, 2, 3, 1).numpy() / 255
    inputs = normalise(crops, mean, std)
    if isinstance(backbone, ViTBackbone):
        attention = F.interpolate(class_attention(backbone, inputs), (size, size), mode="bilinear").numpy()
        panels = [
            [("image", image), *((f"head {i + 1}", _overlay(image, heat)) for i, heat in enumerate(heats))]
            for image, heats in zip(pixels, attention, strict=True)
        ]
    else:
        colors = feature_colors(backbone, inputs).permute(0, 3, 1, 2)
        enlarged = F.interpolate(colors, (size, size), mode="nearest").permute(0, 2, 3, 1).numpy()
        panels = [
            [("image", image), ("principal components", color)]
            for image, color in zip(pixels, enlarged, strict=True)
        ]
    return _draw(panels, [label or "" for label in shown.labels])


def _patch(backbone: Backbone) -> int:
    return int(backbone.model.patch_embed.patch_size[0]) if isinstance(backbone, ViTBackbone) else 1


def _overlay(image: np.ndarray[Any, Any], heat: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The image dimmed, bright and yellow where the head looks; each panel has its own scale."""
    from matplotlib import colormaps

    scaled = (heat - heat.min()) / max(float(heat.max() - heat.min()), 1e-12)
    blended: np.ndarray[Any, Any] = 0.35 * image + 0.65 * colormaps["inferno"](scaled)[..., :3]
    return blended


def _draw(panels: list[list[Panel]], labels: list[str]) -> Image.Image:
    num_columns = len(panels[0])
    figure = Figure(figsize=(1.5 * num_columns, 1.6 * len(panels)), dpi=100, layout="tight")
    canvas = FigureCanvasAgg(figure)
    grid = figure.subplots(len(panels), num_columns, squeeze=False)
    for row, (images, label) in enumerate(zip(panels, labels, strict=True)):
        for column, (title, image) in enumerate(images):
            axes = grid[row][column]
            axes.imshow(image, interpolation="nearest")
            axes.set_xticks([])
            axes.set_yticks([])
            if row == 0:
                axes.set_title(title, fontsize=8)
            if column == 0:
                axes.set_ylabel(label, fontsize=7)
    canvas.draw()  # type: ignore[no-untyped-call]
    return Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB")  # type: ignore[no-untyped-call]
