"""Which videos are segmented and how masks are propagated (light: imports no torch)."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from dino_pipeline.dino.core.config import frozen

Count = Annotated[int, Field(ge=1)]


@frozen
class StripConfig:
    """The picture of propagated masks."""

    num_videos: Count  # the first ones of the image set
    num_frames: Count  # evenly spaced


@frozen
class VideoSegmentationConfig:
    """The paper's label propagation (section 4.2.2); its values are the published code's."""

    # <folder>/JPEGImages/<resolution>/<video>, Annotations/<resolution>/<video>, ImageSets/<image_set>.txt
    folder: str | None  # there is none by default
    image_set: str
    resolution: str
    max_videos: Count | None
    networks: Annotated[tuple[Literal["teacher", "student", "random"], ...], Field(min_length=1)]
    frame_size: Count  # short side in pixels
    side_multiple: Count  # the long side is rounded down to a multiple of it
    num_last_frames: Annotated[int, Field(ge=0)]  # context beside the first frame
    neighborhood_radius: Count  # in patches, along rows and along columns
    top_k: Count  # most similar context patches, of all context frames together
    temperature: Annotated[float, Field(gt=0)]
    picture: StripConfig
    num_threads: Count | None

    @model_validator(mode="after")
    def _long_side_is_not_empty(self) -> "VideoSegmentationConfig":
        if self.side_multiple > self.frame_size:
            raise ValueError(
                f"side_multiple {self.side_multiple} is larger than frame_size {self.frame_size}"
            )
        return self
