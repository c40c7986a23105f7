"""Crops on the device: whole numbers leave the loader, floats enter the network."""

import torch
from torch import Tensor

from dino_pipeline.dino.core.data.loader import MultiCropBatch
from dino_pipeline.dino.core.data.multi_crop_config import MultiCropConfig
from dino_pipeline.dino.core.data.photometric import batched
from dino_pipeline.dino.core.pretrain_config import PretrainConfig


class ToFloats:
    """[crops, B, H, W, channels] to normalised floats [crops, B, channels, H, W] on the device.

    Where the photometric augmentation is still to be done, it is done here.
    """

    def __init__(self, config: PretrainConfig, device: torch.device, *, compiled: bool) -> None:
        self.device = device
        self.dtype = torch.float64 if config.precision == "fp64" else torch.float32
        # Made once: to copy numbers of the host in every step would be to wait for the device in every step.
        self.mean, self.std = (
            torch.tensor(v, dtype=self.dtype, device=device).view(-1, 1, 1) for v in config.statistics
        )
        self.largest_sigma = _largest_sigma(config.multi_crop)
        self.augment = torch.compile(batched.augment) if compiled else batched.augment

    def __call__(self, batch: MultiCropBatch) -> tuple[Tensor, Tensor]:
        """Global and local crops."""
        drawn = batch.drawn
        if drawn is None:
            return self._floats(batch.global_crops, None), self._floats(batch.local_crops, None)
        return self._floats(batch.global_crops, drawn[:2]), self._floats(batch.local_crops, drawn[2:])

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
