"""Configuration of attention segmentation. Imports no torch."""

from typing import Literal

from pydantic import PositiveInt

from dino_pipeline.dino.core.config import frozen
from dino_pipeline.dino.evaluation.config import Share


@frozen
class AttentionSegmentationConfig:
    """The `attention_segmentation` parameters."""

    folder: str | None  # in VOC's layout
    split: str  # a list of ImageSets/Segmentation
    # An object is all pixels of a class, or one thing.
    masks: Literal["SegmentationClass", "SegmentationObject"]
    image_size: PositiveInt | None  # shorter side in pixels; None: each image at its own size
    mass: Share  # share of a head's attention that its mask keeps
    num_shown: PositiveInt  # images of the picture, spread over the list
    num_threads: PositiveInt | None  # as in extract
