"""Parameters of the report."""

from pydantic import PositiveInt

from dino_pipeline.dino.core.config import frozen
from dino_pipeline.dino.evaluation.config import PictureConfig


@frozen
class NeighborsConfig:
    """Held-out images and their nearest train images."""

    num_queries: PositiveInt
    num_neighbors: PositiveInt


@frozen
class ReportConfig:
    """The numbers and images of the page."""

    num_neighbors: PositiveInt  # k of the k-NN accuracies in the verdict; evaluation must have measured it
    num_view_images: PositiveInt  # train images whose views are shown
    attention: PictureConfig
    neighbors: NeighborsConfig
    thumbnail_size: PositiveInt  # pixels
    max_rows: PositiveInt  # of classes, and of files in quarantine
    num_threads: PositiveInt | None  # as in extract
