"""The form of images that the networks take: number of channels and bits per channel."""

from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from dino_pipeline.dino.core.config import frozen


@frozen
class ImagesConfig:
    """3 channels of 8 bits are RGB as displayed, 1 channel is grey; other numbers of channels are taken as stored."""

    channels: Annotated[int, Field(ge=1, le=128)]  # OpenCV's limit
    bits: Literal[8, 16]


class PixelStatistics(NamedTuple):
    """Mean and standard deviation per channel, for pixels in [0, 1]."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
