"""Parameters of failure cards: which images, and how many (light: imports no torch)."""

from typing import Annotated, Literal

from pydantic import Field

from dino_pipeline.dino.core.config import frozen
from dino_pipeline.dino.evaluation.config import Count


@frozen
class CardsConfig:
    """The most wrong images, with their nearest train images."""

    num_listed: Count  # rows of the table
    num_shown: Count  # rows of the picture: the first rows of the table
    num_neighbors: Count  # per image, in both
    image_size: Count  # pixels


@frozen
class FailureCardsConfig:
    """The `failure_cards` parameters."""

    split: Literal["val", "test"]  # the images to classify; train images vote
    num_neighbors: Count
    temperature: Annotated[float, Field(ge=0.02)]  # far below it, exp(1 / temperature) overflows float32
    num_confusions: Count  # pairs of classes in the report
    cards: CardsConfig
    num_threads: Count | None  # as in extract
