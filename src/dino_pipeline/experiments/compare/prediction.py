"""Predict a comparison's cost before it starts: hours of training a row, from counted FLOPs and a measured rate."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch

from dino_pipeline.dino.core.bfloat16 import multiplies_bfloat16
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.core.schedules import schedule_values
from dino_pipeline.dino.core.state import TrainingState
from dino_pipeline.dino.core.step import training_step
from dino_pipeline.dino.launching.torchrun import num_processes
from dino_pipeline.dino.training.config import LaunchConfig
from dino_pipeline.experiments.compare.rows import OverlayTraining
from dino_pipeline.recipes.cost import V100_FLOPS, training_cost

_STEPS = 3  # the first also allocates and is not counted
_FLOPS_A_STEP = 1e11  # on CPU a second or two; a few images then fill a core


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
    """Measure this machine's rate in real training steps on crops of noise, over all its processes.

    The steps use float32 where this machine would emulate the requested bfloat16: three such steps can take an hour.
    """
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if config.precision == "bf16" and not multiplies_bfloat16(device.type):
        config = replace(config, precision="fp32")
    flops_per_image = training_cost(config, root=root).flops_per_image
    num_images = config.batch_size // num_processes(launch.cpu_processes) // config.accumulation_steps
    if device.type == "cpu":
        num_images = min(num_images, max(2, int(_FLOPS_A_STEP // flops_per_image)))
    small = replace(config, batch_size=num_images, accumulation_steps=1)
    crops = config.multi_crop
    random = torch.Generator().manual_seed(0)
    channels = config.images.channels
    globals_, locals_ = (
        torch.randn(count, num_images, channels, size, size, generator=random).to(device)
        for count, size in (
            (2, crops.global_crop_size),
            (crops.num_local_crops, crops.local_crop_size),
        )
    )
    # On CPU count our own processor time: other work on this machine may end soon.
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    threads = torch.get_num_threads()
    torch.set_num_threads(launch.threads_per_process)
    try:
        state = TrainingState(small, device, root=root)
        labels = torch.zeros(small.batch_size, dtype=torch.int64, device=device)
        finished_at = []
        for _ in range(_STEPS):
            training_step(
                state, small, globals_, locals_, schedule_values(small, 0, 1, steps_per_epoch=1), labels
            )
            if device.type == "cuda":
                torch.cuda.synchronize()
            finished_at.append(clock())
    finally:
        torch.set_num_threads(threads)
    seconds = (finished_at[-1] - finished_at[0]) / (_STEPS - 1)
    # Processor time counts each thread.
    threads_timed = launch.threads_per_process if device.type == "cpu" else 1
    one_process = num_images * flops_per_image / seconds * threads_timed
    return one_process * num_processes(launch.cpu_processes)


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
