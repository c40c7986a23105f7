"""How a model is registered."""

from typing import Annotated

from pydantic import Field

from dino_pipeline.dino.core.config import frozen


@frozen
class RegisterConfig:
    """The registered model is `<name_prefix>-<data set>`: versions of one data set lie under one name."""

    name_prefix: Annotated[str, Field(min_length=1, pattern=r"^[^/:]+$")]
    alias: Annotated[str, Field(min_length=1)]
