"""Which labels are given and how they spread (light: imports no torch)."""

from typing import Annotated, Literal

from pydantic import Field

from dino_pipeline.dino.core.config import frozen
from dino_pipeline.dino.evaluation.config import Count


@frozen
class LabelSpreadingConfig:
    """Given labels, and the weighted k-NN that spreads them."""

    labels: str | None  # a CSV of path and label; null: a share of train's own, the rest hidden
    fraction: Annotated[float, Field(gt=0, le=1)]  # of each class of train, where `labels` is null
    seed: int  # of the draw
    num_neighbors: Count
    temperature: Annotated[float, Field(ge=0.02)]  # far below it exp(1 / temperature) leaves float32
    assignment: Literal["hard", "soft"]  # soft: the probability of every class too
    num_threads: Count | None  # as in extract
