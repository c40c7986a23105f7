"""Crops on the device: whole numbers leave the loader, floats enter the network."""

import torch
from torch import Tensor

from dino_pipeline.dino.data.loader import MultiCropBatch
from dino_pipeline.dino.training.config import PretrainConfig


def to_floats(batch: MultiCropBatch, config: PretrainConfig, device: torch.device) -> tuple[Tensor, Tensor]:
    """[crops, B, H, W, channels] to normalised floats [crops, B, channels, H, W] on the device: global, local."""
    dtype = torch.float64 if config.precision == "fp64" else torch.float32
    mean, std = (torch.tensor(v, dtype=dtype, device=device).view(-1, 1, 1) for v in config.statistics)

    def floats(crops: Tensor) -> Tensor:
        pixels = crops.to(device, non_blocking=True).permute(0, 1, 4, 2, 3)
        return (pixels.to(dtype) / torch.iinfo(pixels.dtype).max - mean) / std

    return floats(batch.global_crops), floats(batch.local_crops)
