"""Configuration of linear classifiers on frozen features. Imports no torch."""

from typing import Annotated

from pydantic import Field, PositiveFloat, PositiveInt

from dino_pipeline.dino.core.config import frozen
from dino_pipeline.dino.core.data.multi_crop_config import AreaRange, Probability


@frozen
class LinearTrainingConfig:
    """A linear classifier trained by SGD. Learning rates are for 256 examples and scale with the batch."""

    learning_rates: Annotated[tuple[PositiveFloat, ...], Field(min_length=1)]
    epochs: PositiveInt
    batch_size: PositiveInt  # over all processes
    momentum: Annotated[float, Field(ge=0, lt=1)]
    seed: int


@frozen
class LinearProbeConfig(LinearTrainingConfig):
    """A linear classifier trained on new random crops of the images."""

    crop_scale: AreaRange  # share of the image's area
    flip_probability: Probability
