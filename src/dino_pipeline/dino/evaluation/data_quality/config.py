"""Configuration of label-free figures, near-duplicates and outliers. Imports no torch."""

from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from dino_pipeline.dino.core.config import frozen
from dino_pipeline.dino.evaluation.config import Share


@frozen
class FiguresConfig:
    """Figures of the features, for train and for validation."""

    # range of eigenvalues for the power-law fit; 1 is the largest
    alpha_ranks: tuple[PositiveInt, PositiveInt]
    uniformity_images: Annotated[int, Field(ge=2)]  # per split; a larger split is sampled
    alignment_images: PositiveInt  # per split, in two views each

    @model_validator(mode="after")
    def _ranks_rise(self) -> "FiguresConfig":
        first, last = self.alpha_ranks
        if first >= last:
            raise ValueError(f"alpha_ranks is [{first}, {last}]: the first must be smaller than the last")
        return self


@frozen
class NearDuplicatesConfig:
    """Images that the teacher hardly distinguishes."""

    cosine: Annotated[float, Field(gt=0, lt=1)]  # of centered features; pairs above it are near-duplicates
    max_dropped_share: Share  # if more than this would be dropped, there is no suggestion


@frozen
class OutliersConfig:
    """Images far from all others."""

    num_neighbors: PositiveInt  # distance to the k-th nearest
    share: Share  # of the images; the furthest are listed
    drop: bool  # suggest to drop those of train


@frozen
class ClustersConfig:
    """k-means, to measure how evenly the images spread over clusters of the teacher's features."""

    num_clusters: Annotated[int, Field(ge=2)]
    max_iterations: PositiveInt


@frozen
class ContactSheetConfig:
    """The picture: one row per large cluster, then the strongest outliers."""

    num_clusters: PositiveInt
    num_outlier_rows: PositiveInt
    images_per_row: PositiveInt
    thumbnail_size: Annotated[int, Field(ge=8)]  # pixels


@frozen
class DataQualityConfig:
    """The `data_quality` parameters."""

    seed: NonNegativeInt  # for samples, views and k-means
    figures: FiguresConfig
    near_duplicates: NearDuplicatesConfig
    outliers: OutliersConfig
    clusters: ClustersConfig
    picture: ContactSheetConfig
    num_threads: PositiveInt | None  # as in extract
