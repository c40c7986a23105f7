"""Configuration of video segmentation. Imports no torch."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from dino_pipeline.dino.core.config import frozen


@frozen
class StripConfig:
    """The picture of propagated masks."""

    num_videos: PositiveInt  # the first ones of the image set
    num_frames: PositiveInt  # evenly spaced


@frozen
class VideoSegmentationConfig:
    """The paper's label propagation (section 4.2.2), with the published code's values."""

    # <folder>/JPEGImages/<resolution>/<video>, Annotations/<resolution>/<video>, ImageSets/<image_set>.txt
    folder: str | None  # no default
    image_set: str
    resolution: str
    max_videos: PositiveInt | None
    networks: Annotated[tuple[Literal["teacher", "student", "random"], ...], Field(min_length=1)]
    frame_size: PositiveInt  # short side in pixels
    side_multiple: PositiveInt  # the long side is rounded down to a multiple of this
    num_last_frames: NonNegativeInt  # context in addition to the first frame
    neighborhood_radius: PositiveInt  # in patches, along rows and along columns
    top_k: PositiveInt  # most similar context patches, over all context frames together
    temperature: PositiveFloat
    picture: StripConfig
    num_threads: PositiveInt | None

    @model_validator(mode="after")
    def _long_side_is_not_empty(self) -> "VideoSegmentationConfig":
        if self.side_multiple > self.frame_size:
            raise ValueError(
                f"side_multiple {self.side_multiple} is larger than frame_size {self.frame_size}"
            )
        return self
