"""Parameters of predicted costs."""

from typing import Annotated

from pydantic import Field

from dino_pipeline.dino.core.config import frozen


@frozen
class CostConfig:
    """What a dry run calculates with."""

    # Of this machine, with all its GPUs; None: no prices.
    price_per_hour: Annotated[float, Field(ge=0)] | None
