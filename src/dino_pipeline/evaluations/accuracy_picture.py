"""Draws held-out images beside what a backbone makes of them."""

from PIL import Image

from dino_pipeline.dino.core.data.images import DeepPixels
from dino_pipeline.dino.core.data.images_config import PixelStatistics
from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.core.models.backbone import Backbone
from dino_pipeline.dino.evaluation.config import EvaluateConfig
from dino_pipeline.dino.features.evaluation_transform_config import EvaluationTransformConfig
from dino_pipeline.plotting.grids import grid
from dino_pipeline.plotting.panels import panels, spread, whole_panels


def picture(
    backbone: Backbone,
    images: Manifest,
    photograph: DeepPixels | None,
    config: EvaluateConfig,
    transform: EvaluationTransformConfig,
) -> Image.Image:
    """A row for the photograph, if there is one, and for each of some images spread evenly over the manifest."""
    shown = spread(images, config.picture.num_images)
    rows = panels(backbone, shown, image_size=config.picture.image_size, transform=transform)
    labels = [label or "" for label in shown.labels]
    if photograph is not None:
        statistics = PixelStatistics(transform.mean, transform.std)
        whole = whole_panels(backbone, photograph, size=config.photograph.size, statistics=statistics)
        rows.insert(0, whole)
        labels.insert(0, "held out")
    return grid(rows, labels, cell=(1.5, 1.6))
