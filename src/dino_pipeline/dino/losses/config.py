"""The loss's constants; its schedules stand with the other schedules."""

from typing import Annotated

from pydantic import Field

from dino_pipeline.dino.config import frozen


@frozen
class LossConfig:
    """Student temperature and center momentum (arXiv:2104.14294, section 3.1)."""

    student_temperature: Annotated[float, Field(gt=0)]
    center_momentum: Annotated[float, Field(ge=0, lt=1)]
