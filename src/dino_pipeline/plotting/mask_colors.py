"""Masks in VOC's colours over their image."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def voc_colors() -> NDArray[np.uint8]:
    """The palette of VOC's masks, [256, 3]: bits of a class spread over the channels, the lowest the brightest."""
    values = np.arange(256)
    colors = np.zeros((256, 3), dtype=np.uint8)
    for bit in range(8):
        for channel in range(3):
            colors[:, channel] |= ((values >> channel & 1) << 7 - bit).astype(np.uint8)
        values >>= 3
    return colors


def colored(image: NDArray[np.uint8], mask: NDArray[np.uint8]) -> NDArray[Any]:
    """The image dimmed, in colour where the mask is not background: RGB in [0, 1] of the mask's size.

    Args:
        image: uint8 [height, width, 3]; what lies right of the mask or below it is left out.
        mask: uint8 [up to height, up to width].
    """
    pixels = image[: mask.shape[0], : mask.shape[1]] / 255
    blended: NDArray[Any] = np.where(
        mask[..., None] > 0, 0.3 * pixels + 0.7 * voc_colors()[mask] / 255, 0.5 * pixels
    )
    return blended
