"""Multi-crop: the views of one image (SwAV, arXiv:2006.09882; DINO, arXiv:2104.14294 section 3.1)."""

import math
from typing import NamedTuple

import numpy as np
import torch

from dino_pipeline.dino.core.data.addressing import Domain, generator_at
from dino_pipeline.dino.core.data.multi_crop_config import MultiCropConfig
from dino_pipeline.dino.core.data.photometric.drawn import Drawn, as_row, draw
from dino_pipeline.dino.core.data.photometric.opencv import augment
from dino_pipeline.dino.core.data.resampling import resample

_ASPECT_RATIO = (3 / 4, 4 / 3)
_TRIES = 10


class Views(NamedTuple):
    """Crops of one image, in its dtype, and each crop's augmentation parameters if they are not applied yet."""

    global_crops: np.ndarray  # [2, G, G, channels]
    local_crops: np.ndarray  # [L, l, l, channels]
    drawn: np.ndarray | None  # [2 + L, columns of `Row`]


def multi_crop(image: np.ndarray, config: MultiCropConfig, *, seed: int, epoch: int, place: int) -> Views:
    """Make the views of an image in an epoch: a pure function of seed, epoch, image and view index.

    Args:
        image: [H, W, channels] uint8 or uint16
        place: the image's place within its split
    """
    cropped = _crops_and_draws(image, config, seed, epoch, place)
    views = [augment(crop, drawn) for crop, drawn in cropped]
    return Views(np.stack(views[:2]), _stacked_locals(views[2:], image, config), drawn=None)


def multi_crop_to_augment(
    image: np.ndarray, config: MultiCropConfig, *, seed: int, epoch: int, place: int
) -> Views:
    """Make the same views without photometric augmentation, for `photometric.batched` to apply."""
    cropped = _crops_and_draws(image, config, seed, epoch, place)
    crops = [crop for crop, _ in cropped]
    rows = np.array([as_row(drawn) for _, drawn in cropped], np.float32)
    return Views(np.stack(crops[:2]), _stacked_locals(crops[2:], image, config), drawn=rows)


def _crops_and_draws(
    image: np.ndarray, config: MultiCropConfig, seed: int, epoch: int, place: int
) -> list[tuple[np.ndarray, Drawn]]:
    """Crop and augmentation parameters of every view, global views first."""

    def view(index: int) -> tuple[np.ndarray, Drawn]:
        is_global = index < 2
        size = config.global_crop_size if is_global else config.local_crop_size
        area_range = config.global_crop_scale if is_global else config.local_crop_scale
        look = (config.global_1, config.global_2)[index] if is_global else config.local
        rng = generator_at(seed, Domain.VIEW, epoch, place, index)
        rectangle = random_rectangle(rng, image.shape[0], image.shape[1], area_range)
        return crop_and_resize(image, rectangle, size), draw(look, rng)

    return [view(index) for index in range(config.num_crops)]


def _stacked_locals(crops: list[np.ndarray], image: np.ndarray, config: MultiCropConfig) -> np.ndarray:
    if crops:
        return np.stack(crops)
    return np.empty((0, config.local_crop_size, config.local_crop_size, image.shape[2]), image.dtype)


def random_rectangle(
    rng: np.random.Generator, height: int, width: int, area_range: tuple[float, float]
) -> tuple[int, int, int, int]:
    """Top, left, height and width of a crop, as in torchvision's RandomResizedCrop with its fall-back to the centre."""
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

    torch's uint8 kernel equals Pillow's within rounding at several times its speed. OpenCV is faster, but aliases.
    """
    top, left, height, width = rectangle
    # The image axis is added before the permutation, so that the strides mean channels last to torch. Otherwise its
    # fast kernel packs and unpacks the pixels, which takes longer than resampling them.
    cut = torch.from_numpy(image[top : top + height, left : left + width])[None]
    resized = resample(cut.permute(0, 3, 1, 2), (size, size))
    # Results with one or two channels, or with 16 bits, are strided views, which OpenCV rejects.
    return np.ascontiguousarray(resized.permute(0, 2, 3, 1)[0].numpy())
