"""Resize images as Pillow does: bicubic, antialiased."""

import torch
from torch import Tensor
from torch.nn import functional as F


def resample(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Resize uint8 or uint16 [N, channels, H, W] to [N, channels, *size], in the same dtype.

    torch has a fast kernel for uint8, which needs channels last in memory, and none for uint16.
    """
    if images.dtype == torch.uint8:
        return F.interpolate(images, size, mode="bicubic", antialias=True)
    resized = F.interpolate(images.float(), size, mode="bicubic", antialias=True)
    return resized.round().clamp(0, torch.iinfo(images.dtype).max).to(images.dtype)
