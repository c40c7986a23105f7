"""Random resized crops: which rectangle, and how it is resampled."""

import math

import numpy as np
import torch

from dino_pipeline.dino.core.data.resampling import resample

_ASPECT_RATIO = (3 / 4, 4 / 3)
_TRIES = 10


def random_rectangle(
    rng: np.random.Generator, height: int, width: int, area_range: tuple[float, float]
) -> tuple[int, int, int, int]:
    """Top, left, height and width of a crop: torchvision's RandomResizedCrop, its fall-back to the centre included."""
    log_low, log_high = math.log(_ASPECT_RATIO[0]), math.log(_ASPECT_RATIO[1])
    for _ in range(_TRIES):
        area = height * width * rng.uniform(*area_range)
        ratio = math.exp(rng.uniform(log_low, log_high))
        w, h = round(math.sqrt(area * ratio)), round(math.sqrt(area / ratio))
        if 0 < w <= width and 0 < h <= height:
            return int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1)), h, w
    ratio = min(max(width / height, _ASPECT_RATIO[0]), _ASPECT_RATIO[1])
    w = min(width, max(1, round(height * ratio)))
    h = min(height, max(1, round(width / ratio)))
    return (height - h) // 2, (width - w) // 2, h, w


def crop_and_resize(image: np.ndarray, rectangle: tuple[int, int, int, int], size: int) -> np.ndarray:
    """Cut a rectangle out of [H, W, channels] and resample it to [size, size, channels], bicubic and antialiased.

    torch's uint8 kernel stays within rounding of Pillow's at several times its speed; OpenCV's is faster but aliases.
    """
    top, left, height, width = rectangle
    # The axis of images is added before any is moved: only so do the strides say channels last to torch, whose fast
    # kernel else packs and unpacks the pixels, for longer than it resamples them.
    cut = torch.from_numpy(image[top : top + height, left : left + width])[None]
    resized = resample(cut.permute(0, 3, 1, 2), (size, size))
    # One or two channels, and 16 bits, come back as channels first, strided: OpenCV refuses them.
    return np.ascontiguousarray(resized.permute(0, 2, 3, 1)[0].numpy())
