"""Configuration of label spreading. Imports no torch."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from dino_pipeline.dino.core.config import frozen
from dino_pipeline.dino.evaluation.config import Share


@frozen
class LabelSpreadingConfig:
    """The given labels, and the weighted k-NN that spreads them."""

    labels: str | None  # a CSV of path and label; null: a share of train's labels, with the rest hidden
    fraction: Share  # of each class of train, if `labels` is null
    seed: int  # of the draw
    num_neighbors: PositiveInt
    temperature: Annotated[float, Field(ge=0.02)]  # far below, exp(1 / temperature) overflows float32
    assignment: Literal["hard", "soft"]  # soft: also the probability of every class
    num_threads: PositiveInt | None  # as in extract
