"""Batches on the device: the loader yields integers, the network takes floats.

On a GPU, a batch is copied and augmented while the previous step still computes.
"""

import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import torch
from torch import Tensor

from dino_pipeline.dino.core.data.dataset import Unreadable
from dino_pipeline.dino.core.data.loader import MultiCropBatch
from dino_pipeline.dino.core.data.multi_crop_config import MultiCropConfig
from dino_pipeline.dino.core.data.photometric import batched
from dino_pipeline.dino.core.pretrain_config import PretrainConfig

_AHEAD = 2  # steps that may be queued on a GPU; the crops of each occupy its memory


class DeviceBatch(NamedTuple):
    """Input of a step: this process's part of a batch on the device, and the time spent waiting for the loader."""

    global_crops: Tensor  # [2, B, channels, G, G], normalised
    local_crops: Tensor  # [L, B, channels, l, l]
    labels: Tensor | None  # int64 [B], for a loss that needs them
    unreadable: list[Unreadable] = []  # noqa: RUF012  images that others stand in for
    waited: float = 0.0  # seconds


class ToFloats:
    """Turn [crops, B, H, W, channels] into normalised floats [crops, B, channels, H, W] on the device.

    This applies the photometric augmentation if the loader left it out.
    """

    def __init__(self, config: PretrainConfig, device: torch.device, *, compiled: bool) -> None:
        self.device = device
        self.dtype = torch.float64 if config.precision == "fp64" else torch.float32
        # Built once, because copying from the host in every step would wait for the device in every step.
        self.mean, self.std = (
            torch.tensor(v, dtype=self.dtype, device=device).view(-1, 1, 1) for v in config.statistics
        )
        self.largest_sigma = _largest_sigma(config.multi_crop)
        self.augment = torch.compile(batched.augment) if compiled else batched.augment

    def __call__(self, batch: MultiCropBatch) -> tuple[Tensor, Tensor, Tensor | None]:
        """Return global crops, local crops, and labels if the batch has them."""
        drawn, labels = batch.drawn, batch.labels
        return (
            self._floats(batch.global_crops, None if drawn is None else drawn[:2]),
            self._floats(batch.local_crops, None if drawn is None else drawn[2:]),
            None if labels is None else labels.to(self.device, non_blocking=True),
        )

    def _floats(self, crops: Tensor, drawn: Tensor | None) -> Tensor:
        pixels = crops.to(self.device, non_blocking=True).permute(0, 1, 4, 2, 3)
        white = torch.iinfo(pixels.dtype).max
        if drawn is not None and len(crops):
            rows = drawn.to(self.device, non_blocking=True)
            augmented = self.augment(
                pixels.flatten(0, 1), rows.flatten(0, 1), largest_sigma=self.largest_sigma
            )
            pixels = augmented.unflatten(0, crops.shape[:2])
        return (pixels.to(self.dtype) / white - self.mean) / self.std


def _largest_sigma(config: MultiCropConfig) -> float:
    views = (config.global_1, config.global_2, config.local)
    return max((view.blur_radius[1] for view in views if view.blur_probability), default=0.0)


class DeviceBatches:
    """A loader's batches on the device, in order.

    The host queues work on a GPU without waiting for it. While one step computes, a separate stream copies and augments
    the next batch. On a CPU, batches are prepared one after the other.
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
            tensors = self.to_floats(batch) if self.side is None else self._beside(batch, self.side)
            yield DeviceBatch(*tensors, batch.unreadable, waited)

    def _beside(self, batch: MultiCropBatch, side: torch.cuda.Stream) -> tuple[Tensor, Tensor, Tensor | None]:
        steps = torch.cuda.current_stream(side.device)
        self.step_ends.append(steps.record_event())
        if len(self.step_ends) > _AHEAD:
            self.step_ends.popleft().synchronize()
        with torch.cuda.stream(side):
            tensors = self.to_floats(batch)
        steps.wait_stream(side)
        for tensor in tensors:
            if tensor is not None:
                tensor.record_stream(steps)  # frees its memory only after the step has used it
        return tensors
