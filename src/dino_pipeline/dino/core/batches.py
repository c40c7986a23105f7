"""Batches as floats on the device; on a GPU they are copied and augmented beside the step before."""

import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from dino_pipeline.dino.core.batch import ToFloats
from dino_pipeline.dino.core.data.loader import MultiCropBatch
from dino_pipeline.dino.core.data.replacement import Unreadable

_AHEAD = 2  # steps that may be queued on a GPU; the crops of each are in its memory


class DeviceBatch(NamedTuple):
    """What a step takes, and how long the loader was waited for."""

    global_crops: Tensor  # [2, B, channels, G, G], normalised
    local_crops: Tensor  # [L, B, channels, l, l]
    unreadable: list[Unreadable]
    waited: float  # seconds


class DeviceBatches:
    """A loader's batches on the device, in their order.

    The host queues work on a GPU and does not wait for it: while one step computes, the loop asks for the next batch,
    which a stream of its own copies and augments meanwhile. On CPU there is nothing beside.
    """

    def __init__(self, loader: Iterable[MultiCropBatch], to_floats: ToFloats) -> None:
        self.loader = loader
        self.to_floats = to_floats
        self.side = torch.cuda.Stream(to_floats.device) if to_floats.device.type == "cuda" else None
        self.step_ends: deque[torch.cuda.Event] = deque()

    def __iter__(self) -> Iterator[DeviceBatch]:
        batches = iter(self.loader)
        while True:
            asked_at = time.perf_counter()
            batch = next(batches, None)
            waited = time.perf_counter() - asked_at
            if batch is None:
                return
            crops = self.to_floats(batch) if self.side is None else self._beside(batch, self.side)
            yield DeviceBatch(*crops, batch.unreadable, waited)

    def _beside(self, batch: MultiCropBatch, side: torch.cuda.Stream) -> tuple[Tensor, Tensor]:
        steps = torch.cuda.current_stream(side.device)
        self.step_ends.append(steps.record_event())
        if len(self.step_ends) > _AHEAD:
            self.step_ends.popleft().synchronize()
        with torch.cuda.stream(side):
            crops = self.to_floats(batch)
        steps.wait_stream(side)
        for same_size in crops:
            same_size.record_stream(steps)  # its memory is free when the step, too, is through with it
        return crops
