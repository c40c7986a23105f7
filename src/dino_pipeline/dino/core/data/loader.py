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

_WORKER = "DataLoader worker"  # from torch's messages, also when its SIGCHLD handler interrupts other code


class MultiCropBatch(NamedTuple):
    """uint8 or uint16 crops: the first axis is the crop, the second the batch. They become floats on the device.

    `drawn` holds the augmentation parameters of each crop if the device applies the photometric augmentation.
    """

    global_crops: Tensor  # [2, B, G, G, channels]
    local_crops: Tensor  # [L, B, l, l, channels]
    drawn: Tensor | None  # [2 + L, B, columns of `Row`]
    labels: Tensor | None  # int64 [B], for a loss that needs them
    unreadable: list[Unreadable]  # images that were replaced by others


def build_loader(
    dataset: ReplacingDataset, batches: ShuffledBatches, *, num_workers: int, pin_memory: bool
) -> "DataLoader[Sample]":
    """One pass over the remaining steps as `MultiCropBatch`es, so that workers start only once."""
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
    """Explain killed workers: the system kills them when memory runs out, which torch's error does not mention.

    Raises:
        MemoryError: a loader worker was killed; the message says which settings need less memory.
    """
    try:
        try:
            yield
        except (RuntimeError, ConnectionError, EOFError):
            # torch's SIGCHLD handler raises wherever the signal arrives: it must not replace the explanation.
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            raise
    except (RuntimeError, ConnectionError, EOFError) as error:
        # During the transfer of a batch, the connection fails before torch notices the dead worker.
        if isinstance(error, RuntimeError) and _WORKER not in str(error):
            raise
        raise MemoryError(
            f"a loader worker was killed, probably because memory ran out ({' '.join(str(error).split())}): lower "
            f"launch.loader_workers (now {num_workers} per process) or pretrain.batch_size (now {batch_size}), or "
            "use a machine with more memory; in a container, also raise shared memory (--shm-size)"
        ) from error


def collate(
    views: list[Views], *, labels: list[int] | None = None, unreadable: list[Unreadable]
) -> MultiCropBatch:
    """Combine the views of several images into one batch."""
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
    # One worker uses one core; OpenCV and torch would each start a thread per core in every worker.
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
