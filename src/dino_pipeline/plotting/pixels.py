"""Images of any channels and depth as a person can see them."""

import numpy as np
from numpy.typing import NDArray

from dino_pipeline.dino.core.data.images import DeepPixels


def visible(pixels: DeepPixels, *, like: DeepPixels | None = None) -> NDArray[np.uint8]:
    """[..., channels] to RGB [..., 3]: one or two channels as grey of the first, of more the first three.

    8 bits are shown as they are. 16 bits seldom use all of their range: what is shown is stretched from black to
    white.

    Args:
        like: the image whose darkest and brightest values are black and white; None: `pixels` themselves.
    """
    shown: DeepPixels = pixels[..., :3] if pixels.shape[-1] >= 3 else np.repeat(pixels[..., :1], 3, axis=-1)
    if shown.dtype == np.uint8:
        return shown
    scale = pixels if like is None else like
    scale = scale[..., :3] if scale.shape[-1] >= 3 else scale[..., :1]
    low, high = int(scale.min()), int(scale.max())
    stretched = (shown.astype(np.float32) - low) * (255 / max(1, high - low))
    rgb: NDArray[np.uint8] = stretched.round().clip(0, 255).astype(np.uint8)
    return rgb
