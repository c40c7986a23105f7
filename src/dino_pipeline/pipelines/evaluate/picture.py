"""Draws held-out images beside what a backbone makes of them."""

from collections.abc import Sequence

from PIL import Image

from dino_pipeline.dino.data.images import Pixels
from dino_pipeline.dino.data.manifest import Manifest
from dino_pipeline.dino.evaluation.config import EvaluateConfig
from dino_pipeline.dino.models.backbone import Backbone
from dino_pipeline.drawing.grid import grid
from dino_pipeline.drawing.panels import panels, spread, whole_panels


def picture(
    backbone: Backbone,
    images: Manifest,
    photograph: Pixels | None,
    config: EvaluateConfig,
    *,
    mean: Sequence[float],
    std: Sequence[float],
) -> Image.Image:
    """A row for the photograph, if there is one, and for each of some images spread evenly over the manifest."""
    shown = spread(images, config.picture.num_images)
    rows = panels(backbone, shown, image_size=config.picture.image_size, mean=mean, std=std)
    labels = [label or "" for label in shown.labels]
    if photograph is not None:
        rows.insert(0, whole_panels(backbone, photograph, size=config.photograph.size, mean=mean, std=std))
        labels.insert(0, "held out")
    return grid(rows, labels, cell=(1.5, 1.6))
