"""Pictures inside a page, as data URIs."""

import base64
import io
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

_JPEG_QUALITY = 90


def exact(pixels: NDArray[np.uint8]) -> str:
    """PNG: every pixel [H, W, 3] as it is."""
    return _address(pixels, "png", optimize=True)


def photograph(pixels: NDArray[Any]) -> str:
    """JPEG, about a fifth of the bytes: [H, W, 3], uint8 or floats in [0, 1]."""
    if pixels.dtype != np.uint8:
        pixels = (pixels * 255).round().clip(0, 255).astype(np.uint8)
    return _address(pixels, "jpeg", quality=_JPEG_QUALITY, subsampling=0)


def _address(pixels: NDArray[np.uint8], kind: str, **options: Any) -> str:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, format=kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"
