"""How closely data are looked at."""

from typing import Annotated

from pydantic import Field

from dino_pipeline.dino.core.config import frozen


@frozen
class LineageConfig:
    """What is asked of data before they count as obtainable; the size of every file is compared anyway."""

    num_hashed: Annotated[int, Field(ge=0)]  # images, spread evenly, whose bytes are hashed again
