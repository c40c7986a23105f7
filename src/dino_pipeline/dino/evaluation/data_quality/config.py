"""Label-free figures, and what makes an image doubtful (light: imports no torch)."""

from typing import Annotated

from pydantic import Field, model_validator

from dino_pipeline.dino.core.config import frozen

Count = Annotated[int, Field(ge=1)]
Share = Annotated[float, Field(gt=0, le=1)]


@frozen
class FiguresConfig:
    """Figures of the features, taken of train and of validation."""

    alpha_ranks: tuple[Count, Count]  # eigenvalues, 1 the largest, that the power law is fitted to
    uniformity_images: Annotated[int, Field(ge=2)]  # of a split; a sample where it has more
    alignment_images: Count  # of a split, each seen in two views

    @model_validator(mode="after")
    def _ranks_rise(self) -> "FiguresConfig":
        first, last = self.alpha_ranks
        if first >= last:
            raise ValueError(f"alpha_ranks must rise, got [{first}, {last}]")
        return self


@frozen
class NearDuplicatesConfig:
    """Images that the teacher hardly tells apart."""

    cosine: Annotated[float, Field(gt=0, lt=1)]  # of centered features; pairs above it are near-duplicates
    max_dropped_share: Share  # where more than this would go, nothing is suggested


@frozen
class OutliersConfig:
    """Images far from all others."""

    num_neighbors: Count  # distance to the k-th nearest
    share: Share  # of the images, the furthest, is listed
    drop: bool  # suggest to drop those of train


@frozen
class ClustersConfig:
    """k-means, to see how evenly the images are spread over what the teacher tells apart."""

    num_clusters: Annotated[int, Field(ge=2)]
    max_iterations: Count


@frozen
class ContactSheetConfig:
    """The picture: a row for each of the largest clusters, then the strongest outliers."""

    num_clusters: Count
    num_outlier_rows: Count
    images_per_row: Count
    thumbnail_size: Annotated[int, Field(ge=8)]  # pixels


@frozen
class DataQualityConfig:
    """The `data_quality` parameters."""

    seed: Annotated[int, Field(ge=0)]  # of samples, views and k-means
    figures: FiguresConfig
    near_duplicates: NearDuplicatesConfig
    outliers: OutliersConfig
    clusters: ClustersConfig
    picture: ContactSheetConfig
    num_threads: Count | None  # as in extract
