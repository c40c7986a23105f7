"""The values that are in force at one step."""

from typing import NamedTuple

from dino_pipeline.dino.core.models.teacher_config import momentum_in_force
from dino_pipeline.dino.core.optimization.config import OptimizerConfig
from dino_pipeline.dino.core.optimization.schedules import linearly_scaled, scheduled
from dino_pipeline.dino.core.pretrain_config import PretrainConfig


class Scheduled(NamedTuple):
    """The values in force at one step."""

    learning_rate: float
    backbone_learning_rate: float
    weight_decay: float
    teacher_momentum: float
    teacher_temperature: float
    last_layer_is_frozen: bool

    def slowed(self, factor: float) -> "Scheduled":
        """The same with a smaller learning rate."""
        return self._replace(
            learning_rate=factor * self.learning_rate,
            backbone_learning_rate=factor * self.backbone_learning_rate,
        )


def scheduled_values(config: PretrainConfig, step: int, num_steps: int, *, steps_per_epoch: int) -> Scheduled:
    """All schedules at a step of a run of `num_steps`."""
    schedules = config.schedules
    learning_rate = scheduled(linearly_scaled(schedules.learning_rate, config.batch_size), step, num_steps)
    return Scheduled(
        learning_rate=learning_rate,
        backbone_learning_rate=learning_rate * _backbone_share(config.optimizer, step, num_steps),
        weight_decay=scheduled(schedules.weight_decay, step, num_steps),
        teacher_momentum=momentum_in_force(
            config.teacher,
            scheduled(schedules.teacher_momentum, step, num_steps),
            step=step,
            steps_per_epoch=steps_per_epoch,
        ),
        teacher_temperature=scheduled(schedules.teacher_temperature, step, num_steps),
        last_layer_is_frozen=step < round(config.optimizer.freeze_last_layer_fraction * num_steps),
    )


def _backbone_share(config: OptimizerConfig, step: int, num_steps: int) -> float:
    """Of the learning rate: 0 while the backbone is frozen, then as long again a line up to its scale."""
    num_frozen = round(config.freeze_backbone_fraction * num_steps)
    # Adam's moments fill while nothing moves, so that the first moving step is no jump.
    rise = min(max(0.0, (step + 1 - num_frozen) / num_frozen), 1.0) if num_frozen else 1.0
    return config.backbone_learning_rate_scale * rise
