"""Scheduled values are functions of the step: linear warm-up, then a half cosine from start to end."""

import math
from typing import Annotated

from pydantic import Field, model_validator

from dino_pipeline.dino.core.config import frozen


@frozen
class ScheduleConfig:
    """One scheduled value; a constant after its warm-up has `start` equal to `end`."""

    warmup_from: Annotated[float, Field(ge=0)]
    start: Annotated[float, Field(ge=0)]  # reached at the end of the warm-up
    end: Annotated[float, Field(ge=0)]
    warmup_fraction: Annotated[float, Field(ge=0, lt=1)]  # of the run's steps


def scheduled(schedule: ScheduleConfig, step: int, num_steps: int) -> float:
    """The value at a step of a run of `num_steps`.

    As in the reference: the warm-up is a straight line that includes both its ends, and the cosine starts after it.
    """
    num_warmup = round(schedule.warmup_fraction * num_steps)
    if step < num_warmup:
        progress = step / (num_warmup - 1) if num_warmup > 1 else 0.0
        return schedule.warmup_from + progress * (schedule.start - schedule.warmup_from)
    progress = (step - num_warmup) / (num_steps - num_warmup)
    return schedule.end + 0.5 * (schedule.start - schedule.end) * (1 + math.cos(math.pi * progress))


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


def linearly_scaled(schedule: ScheduleConfig, batch_size: int) -> ScheduleConfig:
    """The linear scaling rule, lr * batch / 256 (arXiv:1706.02677); the reference leaves the final value alone."""
    factor = batch_size / 256
    return ScheduleConfig(
        warmup_from=schedule.warmup_from * factor,
        start=schedule.start * factor,
        end=schedule.end,
        warmup_fraction=schedule.warmup_fraction,
    )
