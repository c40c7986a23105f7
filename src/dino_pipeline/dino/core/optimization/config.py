"""Configuration of the optimizer, of its schedules, and of steps that are not finite."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from dino_pipeline.dino.core.config import frozen


@frozen
class NonFiniteConfig:
    """Handling of steps whose loss or gradient is infinite or NaN: each is skipped; too many in a row are an error."""

    max_skips_in_a_row: Annotated[int, Field(ge=0)]
    max_rollbacks: Annotated[int, Field(ge=0)]  # to the last checkpoint; after that many, training stops
    rollback_factor: Annotated[float, Field(gt=0, lt=1)]  # multiplies the learning rate at each rollback


@frozen
class OptimizerConfig:
    """AdamW for ViTs, SGD or LARS (large batches, arXiv:1708.03888) for ConvNets (arXiv:2104.14294, section 3.2)."""

    name: Literal["adamw", "sgd", "lars"]
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]]  # adamw only
    momentum: Annotated[float, Field(ge=0, lt=1)]  # sgd and lars
    clip_gradient_norm: Annotated[float, Field(ge=0)]  # of each parameter tensor; 0 turns clipping off
    # Fraction of the run's steps in which the prototypes stay fixed.
    freeze_last_layer_fraction: Annotated[float, Field(ge=0, le=1)]
    # Fraction of the run's steps in which the backbone stays fixed. Then its learning rate rises to its scale for as
    # many steps again.
    freeze_backbone_fraction: Annotated[float, Field(ge=0, le=0.5)]
    backbone_learning_rate_scale: Annotated[float, Field(gt=0)]  # relative to the head's learning rate


@frozen
class ScheduleConfig:
    """One scheduled value. Equal `start` and `end` give a constant after the warm-up."""

    warmup_from: Annotated[float, Field(ge=0)]
    start: Annotated[float, Field(ge=0)]  # the value at the end of the warm-up
    end: Annotated[float, Field(ge=0)]
    warmup_fraction: Annotated[float, Field(ge=0, lt=1)]  # of the run's steps


@frozen
class SchedulesConfig:
    """The four values that change during a training."""

    # For a batch of 256; warmup_from and start scale with the batch, end does not.
    learning_rate: ScheduleConfig
    weight_decay: ScheduleConfig
    teacher_momentum: ScheduleConfig
    teacher_temperature: ScheduleConfig

    @model_validator(mode="after")
    def _teacher_exists(self) -> "SchedulesConfig":
        for name in ("warmup_from", "start", "end"):
            momentum, temperature = (
                getattr(self.teacher_momentum, name),
                getattr(self.teacher_temperature, name),
            )
            if momentum > 1:
                raise ValueError(f"teacher_momentum.{name} is {momentum:g}: give a share of at most 1")
            if temperature == 0:
                raise ValueError(
                    f"teacher_temperature.{name} is 0, but logits are divided by it: give more, such as 0.04"
                )
        return self
