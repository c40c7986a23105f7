"""When a version may become the champion."""

from typing import Annotated

from pydantic import Field

from dino_pipeline.dino.core.config import frozen

Count = Annotated[int, Field(ge=1)]


@frozen
class PromoteConfig:
    """The alias, and what a challenger must show on the validation images."""

    alias: Annotated[str, Field(min_length=1)]
    num_neighbors: Count
    temperature: Annotated[float, Field(gt=0)]
    minimum_gain: Annotated[float, Field(ge=0, le=1)]  # of the share of images whose class k-NN finds
    confidence: Annotated[float, Field(gt=0, lt=1)]  # of the interval, which must lie above 0
    num_resamples: Count
    seed: Annotated[int, Field(ge=0)]  # of the resamples
