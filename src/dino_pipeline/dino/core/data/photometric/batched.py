"""Photometric augmentation of many crops at once with torch, on the device. It equals `opencv.py` up to rounding.

Every operation is computed for all crops, and each crop takes the results that were drawn for it. So shapes are
constant, nothing waits for the device, and all compiles to a few kernels. As in OpenCV, each operation yields integers.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from dino_pipeline.dino.core.data.photometric.drawn import BRIGHTNESS, CONTRAST, HUE, SATURATION, Row


def augment(crops: Tensor, rows: Tensor, *, largest_sigma: float) -> Tensor:
    """Apply to each crop the flip and the colour changes that were drawn for it.

    Args:
        crops: [N, channels, H, W] uint8 or uint16
        rows: [N, columns of `Row`], on the same device
        largest_sigma: largest blur sigma that can be drawn, in pixels; 0 if there is no blur

    Returns:
        [N, channels, H, W] float32, integer values.
    """
    white = torch.iinfo(crops.dtype).max
    row = Row(*rows[:, :, None, None, None].unbind(dim=1))
    levels = crops.float()
    levels = torch.where(row.flip > 0, levels.flip(-1), levels)
    for operation in (row.first, row.second, row.third, row.fourth):
        levels = _jittered(levels, operation, row, white)
    if _has_color(levels):
        levels = torch.where(row.grayscale > 0, _luma(levels), levels)
    if largest_sigma:
        levels = _blurred(levels, row.blur_sigma.flatten(), largest_sigma, white)
    return torch.where((row.solarize > 0) & (levels >= (white + 1) // 2), white - levels, levels)


def _jittered(levels: Tensor, operation: Tensor, row: Row[Tensor], white: int) -> Tensor:
    """Apply one operation of the jitter, which may differ between crops."""
    has_color = _has_color(levels)
    luma = _luma(levels) if has_color else levels
    # Channels of different sensors have different scales, so each is spread around its own mean.
    mean = luma.mean(dim=(2, 3), keepdim=True).round()
    target = torch.where(operation == CONTRAST, mean, 0)
    factor = torch.where(operation == CONTRAST, row.contrast, row.brightness)
    if has_color:
        target = torch.where(operation == SATURATION, luma, target)
        factor = torch.where(operation == SATURATION, row.saturation, factor)
    blended = (target + (levels - target) * factor).clamp(0, white)
    whole = torch.where(operation == SATURATION, blended.round(), blended.floor())
    if has_color:
        return torch.where(operation == HUE, _hue_shifted(levels, row.hue, white), whole)
    return torch.where((operation == BRIGHTNESS) | (operation == CONTRAST), whole, levels)


def _hue_shifted(levels: Tensor, turn: Tensor, white: int) -> Tensor:
    """Convert to hue, saturation and value, shift the hue, and convert back. For 8 bits OpenCV keeps 256 hues."""
    red, green, blue = levels.split(1, dim=1)
    value = levels.amax(dim=1, keepdim=True)
    chroma = value - levels.amin(dim=1, keepdim=True)
    sixth = torch.where(
        value == red,
        green - blue,
        torch.where(value == green, blue - red + 2 * chroma, red - green + 4 * chroma),
    ) / chroma.clamp(min=1)
    saturation = chroma / value.clamp(min=1)
    if white == 255:
        hue = ((sixth * 256 / 6 + 0.5).floor() + (turn * 255).trunc()) % 256
        sixth = hue * 6 / 255
        saturation = (saturation * 255).round() / 255
    else:
        sixth = sixth + turn * 6
    channels = []
    for offset in (5, 3, 1):  # red, green, blue
        distance = (sixth + offset) % 6
        channels.append(value * (1 - saturation * torch.minimum(distance, 4 - distance).clamp(0, 1)))
    return torch.cat(channels, dim=1).round()


def _blurred(levels: Tensor, sigma: Tensor, largest_sigma: float, white: int) -> Tensor:
    """Gaussian blur per crop, truncated as in OpenCV. `sigma` is [N]; 0 leaves the crop unchanged."""
    widths = 6 if white == 255 else 8  # in units of sigma, both sides together
    radius = round(widths * largest_sigma + 1) // 2
    offsets = torch.arange(-radius, radius + 1, device=levels.device)
    own_radius = (widths * sigma + 1).round().div(2, rounding_mode="floor")[:, None]
    weights = torch.exp(-offsets.square() / (2 * sigma.clamp(min=1e-3)[:, None].square()))
    weights = torch.where(offsets.abs() <= own_radius, weights, 0)
    weights = weights / weights.sum(dim=1, keepdim=True)
    # Every channel of every crop is its own group, with the weights of its crop.
    channels = levels.shape[1]
    kernels = weights.repeat_interleave(channels, dim=0)[:, None]
    planes = levels.flatten(0, 1)[None]
    num_planes = len(kernels)
    rows = F.pad(planes, (radius, radius, 0, 0), mode="replicate")
    planes = F.conv2d(rows, kernels[:, :, None, :], groups=num_planes)
    columns = F.pad(planes, (0, 0, radius, radius), mode="replicate")
    planes = F.conv2d(columns, kernels[:, :, :, None], groups=num_planes)
    return planes.round().view_as(levels)


def _luma(levels: Tensor) -> Tensor:
    """[N, 1, H, W], integer values."""
    red, green, blue = levels.split(1, dim=1)
    luma: Tensor = 0.299 * red + 0.587 * green + 0.114 * blue
    return luma.round()


def _has_color(levels: Tensor) -> bool:
    return levels.shape[1] == 3
