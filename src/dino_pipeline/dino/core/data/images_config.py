"""What an image is to the networks: how many channels, of how many bits."""

from typing import Annotated, Literal, NamedTuple

from pydantic import Field

from dino_pipeline.dino.core.config import frozen


@frozen
class ImagesConfig:
    """3 channels of 8 bits are RGB as a person sees it, 1 channel is grey; any other number is taken as stored."""

    channels: Annotated[int, Field(ge=1, le=128)]  # OpenCV's limit
    bits: Literal[8, 16]


class PixelStatistics(NamedTuple):
    """A number a channel, of pixels in [0, 1]."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
