"""Whose failures are shown, and how many (light: imports no torch)."""

from typing import Annotated, Literal

from pydantic import Field

from dino_pipeline.dino.core.config import frozen
from dino_pipeline.dino.evaluation.config import Count


@frozen
class CardsConfig:
    """The images that are most wrong, with their nearest train images."""

    num_listed: Count  # rows of the table
    num_shown: Count  # rows of the picture, the first ones of the table
    num_neighbors: Count  # of each image, in both
    image_size: Count  # pixels


@frozen
class FailureCardsConfig:
    """The `failure_cards` parameters."""

    split: Literal["val", "test"]  # whose images are classified; those of train vote
    num_neighbors: Count
    temperature: Annotated[float, Field(ge=0.02)]  # far below it exp(1 / temperature) leaves float32
    num_confusions: Count  # pairs of classes in the report
    cards: CardsConfig
    num_threads: Count | None  # as in extract
