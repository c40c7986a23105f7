"""Parameters of failure cards: which images, and how many (light: imports no torch)."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from dino_pipeline.dino.core.config import frozen


@frozen
class CardsConfig:
    """The most wrong images, with their nearest train images."""

    num_listed: PositiveInt  # rows of the table
    num_shown: PositiveInt  # rows of the picture: the first rows of the table
    num_neighbors: PositiveInt  # per image, in both
    image_size: PositiveInt  # pixels


@frozen
class FailureCardsConfig:
    """The `failure_cards` parameters."""

    split: Literal["val", "test"]  # the images to classify; train images vote
    num_neighbors: PositiveInt
    temperature: Annotated[float, Field(ge=0.02)]  # far below it, exp(1 / temperature) overflows float32
    num_confusions: PositiveInt  # pairs of classes in the report
    cards: CardsConfig
    num_threads: PositiveInt | None  # as in extract
