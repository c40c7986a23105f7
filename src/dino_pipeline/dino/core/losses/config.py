"""Configuration of the loss. Its schedules are with the other schedules (core/schedules.py)."""

import logging
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from dino_pipeline.dino.core.config import frozen

Centering = Literal["center", "sinkhorn_knopp", "softmax_over_batch", "none"]
# Old names that are still accepted.
OLD_NAMES = {"cross_entropy": "dino", "labels": "supervised"}

logger = logging.getLogger(__name__)


@frozen
class LossConfig:
    """The loss (arXiv:2104.14294, table 7), and the settings that keep it from collapsing."""

    name: str  # a file of losses/methods/, or my_loss.py:MyLoss for a class in a file of the project folder
    student_temperature: Annotated[float, Field(gt=0)]  # for dino; the only temperature of info_nce
    centering: Centering  # for dino; mse takes center or none
    center_momentum: Annotated[float, Field(ge=0, lt=1)]  # for centering: center
    # Number of past teacher outputs to keep per global view: negatives of info_nce, extra rows of sinkhorn_knopp.
    # 0 uses the batch alone.
    queue_length: Annotated[int, Field(ge=0)]
    koleo_weight: Annotated[float, Field(ge=0)]  # weight of the term that spreads features (arXiv:2304.07193)
    coding_rate_weight: Annotated[
        float, Field(ge=0)
    ]  # of the term that keeps many dimensions (arXiv:2502.10385)
    coding_rate_epsilon: Annotated[float, Field(gt=0)]  # its distortion
    options: dict[str, Any]  # for your own loss class, typed by its `Options`; shipped losses have no options

    @field_validator("name")
    @classmethod
    def _name_is_known(cls, name: str) -> str:
        if name in OLD_NAMES:
            _warn_of_old_name(name)
            return OLD_NAMES[name]
        if name not in methods() and not is_own_class(name):
            raise ValueError(
                f"should be one of {', '.join(methods())}, or a class of your own as my_loss.py:MyLoss"
            )
        return name

    @model_validator(mode="after")
    def _centering_fits(self) -> "LossConfig":
        if self.name == "mse" and self.centering not in ("center", "none"):
            raise ValueError(
                f"centering is {self.centering}, which makes distributions, but mse compares none: set it to "
                "center or none"
            )
        if self.options and not is_own_class(self.name):
            raise ValueError(
                f"options is {self.options}, but {self.name} takes none: set it to {{}}, or give a class of your "
                "own"
            )
        return self


@cache
def methods() -> tuple[str, ...]:
    """Names of the shipped losses: the files of losses/methods/."""
    files = (Path(__file__).parent / "methods").glob("*.py")
    return tuple(sorted(file.stem for file in files if file.stem != "__init__"))


def is_own_class(name: str) -> bool:
    """Whether a name has the form `file.py:Class` of the user's own loss."""
    file, _, class_name = name.rpartition(":")
    return file.endswith(".py") and class_name.isidentifier()


@cache
def _warn_of_old_name(name: str) -> None:
    logger.warning("pretrain.loss.name: %s is now called %s", name, OLD_NAMES[name])
