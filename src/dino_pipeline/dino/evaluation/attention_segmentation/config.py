"""Configuration of attention segmentation. Imports no torch."""

from typing import Annotated, Literal

from pydantic import Field

from dino_pipeline.dino.core.config import frozen

Count = Annotated[int, Field(ge=1)]


@frozen
class AttentionSegmentationConfig:
    """The `attention_segmentation` parameters."""

    folder: str | None  # in VOC's layout
    split: str  # a list of ImageSets/Segmentation
    # An object is all pixels of a class, or one thing.
    masks: Literal["SegmentationClass", "SegmentationObject"]
    image_size: Count | None  # shorter side in pixels; None: each image at its own size
    mass: Annotated[float, Field(gt=0, le=1)]  # share of a head's attention that its mask keeps
    num_shown: Count  # images of the picture, spread over the list
    num_threads: Count | None  # as in extract
