"""Find the hardware for a training, and measure its speed."""

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch

from dino_pipeline.dino.core.batches import ToFloats
from dino_pipeline.dino.core.bfloat16 import multiplies_bfloat16
from dino_pipeline.dino.core.data.decoding import decode_image
from dino_pipeline.dino.core.data.loader import collate
from dino_pipeline.dino.core.data.multi_crop import multi_crop
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.core.schedules import schedule_values
from dino_pipeline.dino.core.state import TrainingState
from dino_pipeline.dino.core.step import training_step

_STEPS = 3  # the first also allocates and is not counted
_IMAGES = 16  # per step: enough to fill a core


@dataclass(frozen=True, kw_only=True)
class Hardware:
    """The GPUs if there are any, else the CPU cores."""

    num_gpus: int
    num_cores: int
    has_bf16: bool

    @property
    def num_processes(self) -> int:
        return self.num_gpus or min(self.num_cores, 8)  # beyond, splitting a small batch gains little


def find_hardware() -> Hardware:
    """The hardware that this process may use."""
    return Hardware(
        num_gpus=torch.cuda.device_count(),
        num_cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        has_bf16=multiplies_bfloat16("cuda" if torch.cuda.is_available() else "cpu"),
    )


def images_per_second(config: PretrainConfig, images: Sequence[bytes], hardware: Hardware) -> float:
    """Decode, crop and train on some of the images: real steps of one process, times the number of processes."""
    # On CPU count our own processor time: other work on this machine may end soon.
    clock = time.perf_counter if hardware.num_gpus else time.process_time
    encoded = [images[i % len(images)] for i in range(_IMAGES)]
    device = torch.device("cuda" if hardware.num_gpus else "cpu")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        start = clock()
        views = [
            multi_crop(decode_image(data, config.images), config.multi_crop, seed=0, epoch=0, place=place)
            for place, data in enumerate(encoded)
        ]
        loading = clock() - start
        small = replace(config, batch_size=_IMAGES, accumulation_steps=1)
        to_floats = ToFloats(small, device, compiled=False)
        globals_, locals_, _ = to_floats(collate(views, unreadable=[]))
        state = TrainingState(small, device)
        labels = torch.zeros(small.batch_size, dtype=torch.int64, device=device)
        finished_at = []
        for _ in range(_STEPS):
            training_step(
                state, small, globals_, locals_, schedule_values(small, 0, 1, steps_per_epoch=1), labels
            )
            if hardware.num_gpus:
                torch.cuda.synchronize()
            finished_at.append(clock())
    finally:
        torch.set_num_threads(threads)
    training = (finished_at[-1] - finished_at[0]) / (_STEPS - 1)
    if hardware.num_gpus:  # workers load while the GPU trains
        return _IMAGES / max(training / hardware.num_gpus, loading / hardware.num_cores)
    return _IMAGES / (training + loading) * hardware.num_processes
