"""A few trial steps before the first: how long the run will take and what memory it needs."""

import copy
import logging
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from itertools import islice

import torch

from dino_pipeline.dino.data.multi_crop_dataset import MultiCropBatch
from dino_pipeline.dino.distributed import rank
from dino_pipeline.dino.training.batch import to_floats
from dino_pipeline.dino.training.config import PretrainConfig
from dino_pipeline.dino.training.monitor import peak_memory_mb
from dino_pipeline.dino.training.state import TrainingState
from dino_pipeline.dino.training.step import scheduled_values, training_step

logger = logging.getLogger(__name__)


def preview(
    state: TrainingState,
    config: PretrainConfig,
    loader: Iterable[MultiCropBatch],
    device: torch.device,
    *,
    num_trial_steps: int,
    num_steps: int,
) -> None:
    """Take real steps on real batches, say what they cost, and put everything back as it was."""
    num_left = num_steps - state.step
    if num_trial_steps == 0 or num_left == 0:
        return
    before = copy.deepcopy(state.state_dict())
    batches = iter(loader)
    finished_at = []
    for batch in islice(batches, min(num_trial_steps + 1, num_left)):
        now = scheduled_values(config, state.step, num_steps)
        training_step(state, config, *to_floats(batch, config, device), now)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        finished_at.append(time.perf_counter())
    state.load_state_dict(before)
    state.optimizer.zero_grad()
    if rank() == 0:
        # The first step also starts workers and allocates; it is no measure of the others.
        trials = len(finished_at) - 1
        seconds = (finished_at[-1] - finished_at[0]) / trials * num_left if trials else 0.0
        end = datetime.now() + timedelta(seconds=seconds)
        logger.info(
            "%d steps to go; training predicted to end about %s (in %s, online evaluation not counted); "
            "peak memory %.0f MB a process",
            num_left,
            end.strftime("%H:%M on %d %B"),
            timedelta(seconds=round(seconds)),
            peak_memory_mb(device),
        )
