"""Crops on the device: uint8 leaves the loader, floats enter the network."""

import torch
from torch import Tensor

from dino_pipeline.dino.data.multi_crop_dataset import MultiCropBatch
from dino_pipeline.dino.training.config import PretrainConfig


def to_floats(batch: MultiCropBatch, config: PretrainConfig, device: torch.device) -> tuple[Tensor, Tensor]:
    """uint8 [crops, B, H, W, 3] to normalised floats [crops, B, 3, H, W] on the device: global crops, local crops."""
    dtype = torch.float64 if config.precision == "fp64" else torch.float32
    mean = torch.tensor(config.mean, dtype=dtype, device=device).view(3, 1, 1)
    std = torch.tensor(config.std, dtype=dtype, device=device).view(3, 1, 1)

    def floats(crops: Tensor) -> Tensor:
        pixels = crops.to(device, non_blocking=True).permute(0, 1, 4, 2, 3)
        return (pixels.to(dtype) / 255 - mean) / std

    return floats(batch.global_crops), floats(batch.local_crops)
