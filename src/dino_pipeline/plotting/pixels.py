"""Make pixels visible: any channels and depth as RGB, masks in colour, and images as data URIs of a page."""

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from dino_pipeline.dino.core.data.images import DeepPixels

_JPEG_QUALITY = 90


def visible(pixels: DeepPixels, *, like: DeepPixels | None = None) -> NDArray[np.uint8]:
    """[..., channels] to RGB [..., 3]: grey of the first channel for one or two, else the first three channels.

    8 bits stay as they are. 16 bits seldom use their whole range, so they are stretched from black to
    white.

    Args:
        like: the image that gives the values of black and white; None: `pixels` themselves.
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
    """The dimmed image, in colour where the mask is not background: RGB in [0, 1] of the mask's size.

    Args:
        image: uint8 [height, width, 3]; parts to the right of the mask or below it are left out.
        mask: uint8 [up to height, up to width].
    """
    pixels = image[: mask.shape[0], : mask.shape[1]] / 255
    blended: NDArray[Any] = np.where(
        mask[..., None] > 0, 0.3 * pixels + 0.7 * voc_colors()[mask] / 255, 0.5 * pixels
    )
    return blended


def png_data_uri(pixels: NDArray[np.uint8]) -> str:
    """A PNG data URI, which keeps every pixel: uint8 [H, W, 3]."""
    return _data_uri(pixels, "png", optimize=True)


def jpeg_data_uri(pixels: NDArray[Any]) -> str:
    """A JPEG data URI, about a fifth of the bytes: [H, W, 3], uint8 or floats in [0, 1]."""
    if pixels.dtype != np.uint8:
        pixels = (pixels * 255).round().clip(0, 255).astype(np.uint8)
    return _data_uri(pixels, "jpeg", quality=_JPEG_QUALITY, subsampling=0)


def _data_uri(pixels: NDArray[np.uint8], kind: str, **options: Any) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format=kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
