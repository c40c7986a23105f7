"""Which optimizer steps, how gradients are treated before it does, and the values that change on the way."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from dino_pipeline.dino.core.config import frozen


@frozen
class NonFiniteConfig:
    """What becomes of steps whose loss or gradient is infinite or NaN: each is skipped, too many in a row are not."""

    max_skips_in_a_row: Annotated[int, Field(ge=0)]
    max_rollbacks: Annotated[
        int, Field(ge=0)
    ]  # to the last checkpoint; then, or with 0 at once, training stops
    rollback_factor: Annotated[float, Field(gt=0, lt=1)]  # of the learning rate, with each rollback


@frozen
class OptimizerConfig:
    """AdamW for ViTs, SGD or LARS (large batches, arXiv:1708.03888) for ConvNets (arXiv:2104.14294, section 3.2)."""

    name: Literal["adamw", "sgd", "lars"]
    betas: tuple[Annotated[float, Field(ge=0, lt=1)], Annotated[float, Field(ge=0, lt=1)]]  # adamw only
    momentum: Annotated[float, Field(ge=0, lt=1)]  # sgd and lars
    clip_gradient_norm: Annotated[float, Field(ge=0)]  # of each parameter tensor; 0 leaves gradients alone
    freeze_last_layer_fraction: Annotated[
        float, Field(ge=0, le=1)
    ]  # of the run's steps: prototypes stand still
    # Of the run's steps: the backbone stands still, and as long again its learning rate rises to its scale.
    freeze_backbone_fraction: Annotated[float, Field(ge=0, le=0.5)]
    backbone_learning_rate_scale: Annotated[float, Field(gt=0)]  # of the learning rate, which is the head's


@frozen
class ScheduleConfig:
    """One scheduled value; a constant after its warm-up has `start` equal to `end`."""

    warmup_from: Annotated[float, Field(ge=0)]
    start: Annotated[float, Field(ge=0)]  # reached at the end of the warm-up
    end: Annotated[float, Field(ge=0)]
    warmup_fraction: Annotated[float, Field(ge=0, lt=1)]  # of the run's steps


@frozen
class SchedulesConfig:
    """The four values that change while DINO trains."""

    learning_rate: (
        ScheduleConfig  # for a batch of 256; warmup_from and start are scaled with the batch, end is not
    )
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
                raise ValueError(f"teacher_momentum.{name} is {momentum:g}: it is a share, 1 or less")
            if temperature == 0:
                raise ValueError(
                    f"teacher_temperature.{name} is 0, by which logits are divided: give more, such as 0.04"
                )
        return self
