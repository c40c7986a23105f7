"""Parameters of the report."""

from dino_pipeline.dino.core.config import frozen
from dino_pipeline.dino.evaluation.config import Count, PictureConfig


@frozen
class NeighborsConfig:
    """Held-out images and their nearest train images."""

    num_queries: Count
    num_neighbors: Count


@frozen
class ReportConfig:
    """The numbers and images of the page."""

    num_neighbors: Count  # k of the k-NN accuracies in the verdict; evaluation must have measured it
    num_view_images: Count  # train images whose views are shown
    attention: PictureConfig
    neighbors: NeighborsConfig
    thumbnail_size: Count  # pixels
    max_rows: Count  # of classes, and of files in quarantine
    num_threads: Count | None  # as in extract
