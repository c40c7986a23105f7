"""Multi-crop: the views of one image (SwAV, arXiv:2006.09882; DINO, arXiv:2104.14294 section 3.1)."""

from typing import NamedTuple

import numpy as np

from dino_pipeline.dino.data.addressing import Domain, generator_at
from dino_pipeline.dino.data.crop import crop_and_resize, random_rectangle
from dino_pipeline.dino.data.multi_crop_config import MultiCropConfig
from dino_pipeline.dino.data.photometric import augment


class Views(NamedTuple):
    """Crops of one image, of its type."""

    global_crops: np.ndarray  # [2, G, G, channels]
    local_crops: np.ndarray  # [L, l, l, channels]


def multi_crop(image: np.ndarray, config: MultiCropConfig, *, seed: int, epoch: int, row: int) -> Views:
    """The views of an image in an epoch: a pure function of seed, epoch, image and view index.

    Args:
        image: [H, W, channels] uint8 or uint16
        row: the image's row in the manifest
    """

    def view(index: int) -> np.ndarray:
        is_global = index < 2
        size = config.global_crop_size if is_global else config.local_crop_size
        area_range = config.global_crop_scale if is_global else config.local_crop_scale
        look = (config.global_1, config.global_2)[index] if is_global else config.local
        rng = generator_at(seed, Domain.VIEW, epoch, row, index)
        rectangle = random_rectangle(rng, image.shape[0], image.shape[1], area_range)
        return augment(crop_and_resize(image, rectangle, size), look, rng)

    none = np.empty((0, config.local_crop_size, config.local_crop_size, image.shape[2]), image.dtype)
    locals_ = [view(2 + index) for index in range(config.num_local_crops)]
    return Views(
        global_crops=np.stack([view(0), view(1)]),
        local_crops=np.stack(locals_) if locals_ else none,
    )
