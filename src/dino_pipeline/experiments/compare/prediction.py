"""Predict a comparison's cost before it starts: hours of training a row, from counted FLOPs and a measured rate."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.launching.torchrun import num_processes
from dino_pipeline.dino.training.config import LaunchConfig
from dino_pipeline.experiments.compare.rows import OverlayTraining
from dino_pipeline.recipes.cost import V100_FLOPS, training_cost
from dino_pipeline.recipes.speed import step_seconds


class RowCost(NamedTuple):
    """The cost of all trainings of a row. Hours are None where the number of images is unknown."""

    row: str
    num_trainings: int
    gflops_per_image: float
    num_steps: int | None  # of each training
    v100_hours: float | None
    hours_here: float | None  # on this machine, one training after the other


def predict(trainings: Sequence[OverlayTraining], *, num_images: int | None, root: Path) -> list[RowCost]:
    """Predict the cost of each row.

    Args:
        trainings: see `rows.trainings`.
        num_images: number of train images.
        root: the project folder, where the user's own loss files lie.
    """
    rate = flops_per_second(trainings[0].pretrain, trainings[0].launch, root)
    return [
        _row_cost([training for training in trainings if training.row == row], num_images, rate, root)
        for row in dict.fromkeys(training.row for training in trainings)
    ]


def flops_per_second(config: PretrainConfig, launch: LaunchConfig, root: Path) -> float:
    """The rate of this machine in real training steps, over all its processes."""
    flops = training_cost(config, root=root).flops_per_image
    return flops / step_seconds(config, launch, root) * num_processes(launch.cpu_processes)


def _row_cost(row: Sequence[OverlayTraining], num_images: int | None, rate: float, root: Path) -> RowCost:
    config = row[0].pretrain
    flops = training_cost(config, root=root).flops_per_image
    found = RowCost(row[0].row, len(row), flops / 1e9, None, None, None)
    if num_images is None:
        return found
    steps = config.epochs * (num_images // config.batch_size)
    total = len(row) * steps * config.batch_size * flops
    hours_here = total / rate / 3600
    if config.max_hours is not None:
        hours_here = min(hours_here, len(row) * config.max_hours)
    return found._replace(num_steps=steps, v100_hours=total / V100_FLOPS / 3600, hours_here=hours_here)
