"""Draws held-out images beside what a backbone makes of them."""

from collections.abc import Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from dino_pipeline.dino.data.images import Pixels
from dino_pipeline.dino.data.manifest import Manifest
from dino_pipeline.dino.evaluation.config import EvaluateConfig
from dino_pipeline.dino.models.backbone import Backbone
from dino_pipeline.drawing.panels import Panel, panels, spread, whole_panels


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
    return _draw(rows, labels)


def _draw(rows: list[list[Panel]], labels: list[str]) -> Image.Image:
    num_columns = len(rows[0])
    figure = Figure(figsize=(1.5 * num_columns, 1.6 * len(rows)), dpi=100, layout="tight")
    canvas = FigureCanvasAgg(figure)
    grid = figure.subplots(len(rows), num_columns, squeeze=False)
    for row, (images, label) in enumerate(zip(rows, labels, strict=True)):
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
