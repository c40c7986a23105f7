"""Parameters of registered models: names, promotion, and how closely lineage checks their data."""

from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt

from dino_pipeline.dino.core.config import frozen
from dino_pipeline.workspace.names import Alias


@frozen
class RegisterConfig:
    """The registered model is `<name_prefix>-<data set>`: all versions of one data set share a name."""

    name_prefix: Annotated[str, Field(min_length=1, pattern=r"^[^/:]+$")]
    alias: Alias


@frozen
class PromoteConfig:
    """The champion's alias, and the gain that a challenger needs on the validation images."""

    alias: Alias
    num_neighbors: PositiveInt
    temperature: PositiveFloat
    minimum_gain: Annotated[float, Field(ge=0, le=1)]  # of k-NN accuracy
    confidence: Annotated[float, Field(gt=0, lt=1)]  # of the gain's interval, which must lie above 0
    num_resamples: PositiveInt
    seed: NonNegativeInt  # seed of the bootstrap


@frozen
class LineageConfig:
    """How closely to check that data are obtainable. The size of every file is always compared."""

    num_hashed: NonNegativeInt  # evenly spaced images to hash again
