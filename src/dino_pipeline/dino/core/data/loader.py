"""Batches of multi-crop views, made by worker processes."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader

from dino_pipeline.dino.core.data.dataset import ReplacingDataset, Sample, ShuffledBatches, Unreadable
from dino_pipeline.dino.core.data.multi_crop import Views

_WORKER = (
    "DataLoader worker"  # torch's own words, also where its handler of SIGCHLD interrupts whatever is running
)


class MultiCropBatch(NamedTuple):
    """uint8 or uint16 crops, crops first, batch second; they become floats on the device.

    What was drawn for a crop comes with it where its photometric augmentation is to be done there.
    """

    global_crops: Tensor  # [2, B, G, G, channels]
    local_crops: Tensor  # [L, B, l, l, channels]
    drawn: Tensor | None  # [2 + L, B, columns of `Row`]
    labels: Tensor | None  # int64 [B], for a loss that needs them
    unreadable: list[Unreadable]  # images that others stand in for


def build_loader(
    dataset: ReplacingDataset, batches: ShuffledBatches, *, num_workers: int, pin_memory: bool
) -> "DataLoader[Sample]":
    """One pass over what is left of the run, in `MultiCropBatch`es, so that workers start once."""
    return DataLoader(
        dataset,
        batch_sampler=batches,
        num_workers=num_workers,
        collate_fn=_collate_samples,
        worker_init_fn=_single_threaded,
        pin_memory=pin_memory,
        prefetch_factor=4 if num_workers else None,
    )


@contextmanager
def worker_deaths_explained(num_workers: int, batch_size: int) -> Iterator[None]:
    """While batches are drawn: the system kills a worker when memory runs out, and torch does not say so.

    Raises:
        MemoryError: a loader worker was killed; says what needs less memory.
    """
    try:
        yield
    except (RuntimeError, ConnectionError, EOFError) as error:
        # Where the batch was under way the connection tells of it first.
        if isinstance(error, RuntimeError) and _WORKER not in str(error):
            raise
        # torch's handler raises once more when the signal arrives, even while this error is being printed.
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        raise MemoryError(
            f"a loader worker was killed, most likely because memory ran out ({' '.join(str(error).split())}): lower "
            f"launch.loader_workers (now {num_workers} a process) or pretrain.batch_size (now {batch_size}), or give "
            "the machine more memory; in a container, more shared memory (--shm-size) too"
        ) from error


def collate(
    views: list[Views], *, labels: list[int] | None = None, unreadable: list[Unreadable]
) -> MultiCropBatch:
    """One batch of several images' views."""
    drawn = [v.drawn for v in views if v.drawn is not None]
    return MultiCropBatch(
        global_crops=_stacked([v.global_crops for v in views]),
        local_crops=_stacked([v.local_crops for v in views]),
        drawn=_stacked(drawn) if drawn else None,
        labels=None if labels is None else torch.tensor(labels),
        unreadable=unreadable,
    )


def _stacked(arrays: list[np.ndarray]) -> Tensor:
    return torch.from_numpy(np.stack(arrays, axis=1))


def _collate_samples(samples: list[Sample]) -> MultiCropBatch:
    unreadable = [unreadable for sample in samples for unreadable in sample.unreadable]
    labels = [sample.label for sample in samples if sample.label is not None]
    return collate([sample.views for sample in samples], labels=labels or None, unreadable=unreadable)


def _single_threaded(worker: int) -> None:  # noqa: ARG001  the DataLoader passes it
    # One worker is one core's work; OpenCV and torch would each start a thread per core in every worker.
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
