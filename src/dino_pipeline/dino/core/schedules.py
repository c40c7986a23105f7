"""Values that change with the step: a linear warm-up, then a half cosine to the final value."""

import math
from typing import NamedTuple

from dino_pipeline.dino.core.models.teacher_config import momentum_in_force
from dino_pipeline.dino.core.optimization.config import OptimizerConfig, ScheduleConfig
from dino_pipeline.dino.core.pretrain_config import PretrainConfig


def scheduled(schedule: ScheduleConfig, step: int, num_steps: int) -> float:
    """The value at a step of a run of `num_steps`.

    As in the reference, the warm-up is a straight line that includes both its ends, and the cosine starts after it.
    """
    num_warmup = round(schedule.warmup_fraction * num_steps)
    if step < num_warmup:
        progress = step / (num_warmup - 1) if num_warmup > 1 else 0.0
        return schedule.warmup_from + progress * (schedule.start - schedule.warmup_from)
    progress = (step - num_warmup) / (num_steps - num_warmup)
    return schedule.end + 0.5 * (schedule.start - schedule.end) * (1 + math.cos(math.pi * progress))


def linearly_scaled(schedule: ScheduleConfig, batch_size: int) -> ScheduleConfig:
    """The linear scaling rule, lr * batch / 256 (arXiv:1706.02677). As in the reference, `end` is not scaled."""
    factor = batch_size / 256
    return ScheduleConfig(
        warmup_from=schedule.warmup_from * factor,
        start=schedule.start * factor,
        end=schedule.end,
        warmup_fraction=schedule.warmup_fraction,
    )


class ScheduleValues(NamedTuple):
    """The values of all schedules at one step."""

    learning_rate: float
    backbone_learning_rate: float
    weight_decay: float
    teacher_momentum: float
    teacher_temperature: float
    last_layer_is_frozen: bool

    def slowed(self, factor: float) -> "ScheduleValues":
        """A copy with the learning rates multiplied by `factor`."""
        return self._replace(
            learning_rate=factor * self.learning_rate,
            backbone_learning_rate=factor * self.backbone_learning_rate,
        )


def schedule_values(
    config: PretrainConfig, step: int, num_steps: int, *, steps_per_epoch: int
) -> ScheduleValues:
    """All schedules at a step, counted from 0, of a run of `num_steps`."""
    schedules, optimizer, teacher = config.schedules, config.optimizer, config.teacher
    learning_rate = scheduled(linearly_scaled(schedules.learning_rate, config.batch_size), step, num_steps)
    return ScheduleValues(
        learning_rate=learning_rate,
        backbone_learning_rate=learning_rate * _backbone_share(optimizer, step, num_steps),
        weight_decay=scheduled(schedules.weight_decay, step, num_steps),
        teacher_momentum=momentum_in_force(
            teacher,
            scheduled(schedules.teacher_momentum, step, num_steps),
            step=step,
            steps_per_epoch=steps_per_epoch,
        ),
        teacher_temperature=scheduled(schedules.teacher_temperature, step, num_steps),
        last_layer_is_frozen=step < round(optimizer.freeze_last_layer_fraction * num_steps),
    )


def _backbone_share(optimizer: OptimizerConfig, step: int, num_steps: int) -> float:
    """The backbone's share of the learning rate: 0 while frozen, then a linear rise, equally long, to its scale."""
    num_frozen = round(optimizer.freeze_backbone_fraction * num_steps)
    # Adam's moments fill up while the backbone is frozen, which keeps the first updates small.
    rise = min(max(0.0, (step + 1 - num_frozen) / num_frozen), 1.0) if num_frozen else 1.0
    return optimizer.backbone_learning_rate_scale * rise
