"""What student and teacher are compared by; schedules of it stand with the other schedules."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from dino_pipeline.dino.core.config import frozen

Centering = Literal["center", "sinkhorn_knopp", "softmax_over_batch", "none"]


@frozen
class LossConfig:
    """The loss of table 7 of arXiv:2104.14294, and what keeps it from collapsing."""

    name: Literal["cross_entropy", "mse", "info_nce", "labels", "barlow_twins", "distillation"]
    student_temperature: Annotated[float, Field(gt=0)]  # cross_entropy; info_nce's only temperature
    centering: Centering  # cross_entropy; of mse center or none
    center_momentum: Annotated[float, Field(ge=0, lt=1)]  # center
    # Of each global view: what the teacher said of past batches, negatives of info_nce, further rows of
    # sinkhorn_knopp. 0: the batch alone.
    queue_length: Annotated[int, Field(ge=0)]
    koleo_weight: Annotated[float, Field(ge=0)]  # of the term that spreads features (arXiv:2304.07193)

    @model_validator(mode="after")
    def _centering_fits(self) -> "LossConfig":
        if self.name == "mse" and self.centering not in ("center", "none"):
            raise ValueError(
                f"centering is {self.centering}, which makes distributions, and mse compares none: set it to center "
                "or none"
            )
        return self
