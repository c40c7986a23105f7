"""Trial steps before the first step: they measure time and memory, and whether a batch fits into memory."""

import copy
import json
import logging
import time
import traceback
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

import torch

from dino_pipeline.dino.core.batches import DeviceBatch
from dino_pipeline.dino.core.distributed import largest, rank, world_size
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.core.schedules import schedule_values
from dino_pipeline.dino.core.state import TrainingState
from dino_pipeline.dino.core.step import training_step
from dino_pipeline.dino.partial import written_whole
from dino_pipeline.dino.progress import beat
from dino_pipeline.dino.training.monitor import peak_memory_mb

PROFILE = "profile.json"  # in a training's folder: what its first trial steps showed

logger = logging.getLogger(__name__)


class Profile(NamedTuple):
    """Time and memory of trial steps."""

    seconds_per_step: float
    memory_mb: float  # the largest peak of all processes


def profile(
    state: TrainingState, config: PretrainConfig, batches: Iterable[DeviceBatch], device: torch.device
) -> Profile:
    """Take real steps on real batches, measure them, and restore the state.

    Args:
        batches: two or more. The first one also starts workers and allocates memory, so it does not count.

    Raises:
        MemoryError: a batch does not fit; the message says which micro-batch does.
    """
    before = copy.deepcopy(state.state_dict())
    finished_at = []
    for batch in batches:
        beat()
        try:
            _step(state, config, batch, device)
        except (torch.OutOfMemoryError, RuntimeError) as error:
            if not _is_out_of_memory(error):
                raise
            traceback.clear_frames(error.__traceback__)  # these hold the activations that filled the memory
            raise MemoryError(_what_fits(state, config, batch, device)) from error
        finished_at.append(time.perf_counter())
    state.load_state_dict(before)
    state.optimizer.zero_grad()
    seconds = (finished_at[-1] - finished_at[0]) / (len(finished_at) - 1)
    # Every process must plan the same run.
    return Profile(largest(seconds, device), largest(peak_memory_mb(device), device))


def announce(measured: Profile, *, num_left: int) -> None:
    """Log the expected duration and memory, before the first step."""
    if rank() == 0:
        duration = timedelta(seconds=round(measured.seconds_per_step * num_left))
        logger.info(
            "%d steps to go; training predicted to end about %s (in %s, online evaluation not counted); "
            "peak memory %.0f MB a process",
            num_left,
            (datetime.now() + duration).strftime("%H:%M on %d %B"),
            duration,
            measured.memory_mb,
        )


def write_profile(measured: Profile, folder: Path, *, num_steps: int) -> None:
    """Keep what a new training was expected to take."""
    with written_whole(folder / PROFILE) as partial:
        partial.write_text(json.dumps({**measured._asdict(), "num_steps": num_steps}))


def _step(state: TrainingState, config: PretrainConfig, batch: DeviceBatch, device: torch.device) -> None:
    values = schedule_values(config, 0, 1, steps_per_epoch=1)
    training_step(state, config, batch.global_crops, batch.local_crops, values, batch.labels)
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def _is_out_of_memory(error: Exception) -> bool:
    # The CPU allocator raises a plain RuntimeError.
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _what_fits(state: TrainingState, config: PretrainConfig, batch: DeviceBatch, device: torch.device) -> str:
    own = config.batch_size // world_size()
    parts = [a for a in range(config.accumulation_steps + 1, own + 1) if own % a == 0]
    # A single process tries each size. In a group this is impossible: other processes wait in a reduction.
    fitting = next((a for a in parts if world_size() > 1 or _fits(state, config, batch, device, a)), None)
    if fitting is None:
        return "not even one image at a time fits into memory: choose a smaller backbone, or smaller crops"
    certainty = "try" if world_size() > 1 else "set"
    return (
        f"{own // config.accumulation_steps} images at once do not fit into memory; {certainty} "
        f"pretrain.accumulation_steps to {fitting}, which takes {own // fitting} at once and keeps the total of "
        f"{config.batch_size}; launch.gradient_checkpointing saves more"
    )


def _fits(
    state: TrainingState,
    config: PretrainConfig,
    batch: DeviceBatch,
    device: torch.device,
    accumulation_steps: int,
) -> bool:
    state.optimizer.zero_grad()
    if device.type == "cuda":
        torch.cuda.empty_cache()
    try:
        _step(state, replace(config, accumulation_steps=accumulation_steps), batch, device)
    except (torch.OutOfMemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        return False
    return True
