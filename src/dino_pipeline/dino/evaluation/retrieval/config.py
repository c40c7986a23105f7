"""Configuration of retrieval. Imports no torch."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from dino_pipeline.dino.core.config import frozen
from dino_pipeline.dino.evaluation.config import Share

Scales = Annotated[tuple[Share, ...], Field(min_length=1)]


@frozen
class RevisitedConfig:
    """A data set in the layout of revisited Oxford and Paris."""

    folder: str | None  # with gnd_<name>.pkl and jpg/; null: not measured
    image_size: PositiveInt  # longer side in pixels; smaller images keep their size
    scales: Scales
    crop_queries: bool  # to the box of the landmark


@frozen
class RetrievalPictureConfig:
    """The picture of queries with their nearest neighbours."""

    num_queries: PositiveInt
    num_neighbors: PositiveInt
    image_size: PositiveInt  # pixels


@frozen
class RetrievalConfig:
    """Search by cosine similarity of descriptors that are averaged over scales."""

    query_split: Literal["val", "test"] | None  # null: test, or val if test has no images
    scales: Scales  # relative to the image after extract's resize and crop
    cutoffs: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]  # k of precision and recall
    revisited: dict[str, RevisitedConfig]
    picture: RetrievalPictureConfig
    num_threads: PositiveInt | None  # as in extract
