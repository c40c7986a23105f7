"""What student and teacher are compared by. Its schedules stand with the other schedules (core/schedules.py)."""

import logging
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from dino_pipeline.dino.core.config import frozen

Centering = Literal["center", "sinkhorn_knopp", "softmax_over_batch", "none"]
# Names of before, still read.
OLD_NAMES = {"cross_entropy": "dino", "labels": "supervised"}

logger = logging.getLogger(__name__)


@frozen
class LossConfig:
    """The loss of table 7 of arXiv:2104.14294, and what keeps it from collapsing."""

    name: str  # a file of losses/methods/, or my_loss.py:MyLoss, a class of a file in the project folder
    student_temperature: Annotated[float, Field(gt=0)]  # dino; info_nce's only temperature
    centering: Centering  # dino; of mse center or none
    center_momentum: Annotated[float, Field(ge=0, lt=1)]  # center
    # Of each global view: teacher logits of past batches, negatives of info_nce, further rows of sinkhorn_knopp.
    # 0: the batch alone.
    queue_length: Annotated[int, Field(ge=0)]
    koleo_weight: Annotated[float, Field(ge=0)]  # of the term that spreads features (arXiv:2304.07193)
    options: dict[
        str, Any
    ]  # of a class of your own, as its `Options` types them; the shipped losses have none

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
                f"centering is {self.centering}, which makes distributions, and mse compares none: set it to center "
                "or none"
            )
        if self.options and not is_own_class(self.name):
            raise ValueError(
                f"options is {self.options}, and {self.name} takes none: set it to {{}}, or name a class of your own"
            )
        return self


@cache
def methods() -> tuple[str, ...]:
    """Names of the shipped losses: the files of losses/methods/."""
    files = (Path(__file__).parent / "methods").glob("*.py")
    return tuple(sorted(file.stem for file in files if file.stem != "__init__"))


def is_own_class(name: str) -> bool:
    """Whether a name is one of the user's own, `file.py:Class`."""
    file, _, class_name = name.rpartition(":")
    return file.endswith(".py") and class_name.isidentifier()


@cache
def _warn_of_old_name(name: str) -> None:
    logger.warning("pretrain.loss.name: %s is called %s now", name, OLD_NAMES[name])
