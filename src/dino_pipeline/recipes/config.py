"""Parameters of predicted costs."""

from typing import Annotated

from pydantic import Field

from dino_pipeline.dino.core.config import frozen


@frozen
class CostConfig:
    """What a dry run calculates with."""

    price_per_hour: (
        Annotated[float, Field(ge=0)] | None
    )  # of this machine, with all its GPUs; null: no prices
