"""Decode encoded bytes to the configured pixels: grey, RGB or any number of channels, 8 or 16 bits."""

from typing import Any

import cv2
import numpy as np
from PIL import ExifTags, Image

from dino_pipeline.dino.core.data.images import (
    DeepPixels,
    UnreadableImageError,
    decode_jpeg,
    decode_rgb,
    decode_with_pillow,
    deep_grey,
    deep_over_white,
    is_deep_grey,
    over_white,
    to_8_bits,
    upright,
)
from dino_pipeline.dino.core.data.images_config import ImagesConfig
from dino_pipeline.dino.core.data.tiff import read_tiff
from dino_pipeline.dino.core.data.tiff_pages import BIG, CLASSIC


def decode_image(data: bytes, images: ImagesConfig, *, max_pixels: int | None = None) -> DeepPixels:
    """Decode an image, upright by its EXIF orientation. Of several pages it decodes the first.

    For 3 channels of 8 bits this equals `decode_rgb`. Colour becomes grey by its luma, and grey becomes colour by
    repetition. Transparency is composited over white, unless the image has exactly the requested channels. Any other
    difference in channels is an error. A change of depth scales the values, so that white stays white.

    Args:
        data: the encoded file.
        images: the requested channels and bits.
        max_pixels: reject a larger image by its header.

    Returns:
        uint8 or uint16 [height, width, channels], contiguous.

    Raises:
        UnreadableImageError: damaged, too large, or with channels that cannot be converted.
    """
    if images.channels == 3 and images.bits == 8:
        return decode_rgb(data, max_pixels=max_pixels)
    return as_asked(_stored(data, images.channels, max_pixels), images)


def as_asked(pixels: DeepPixels, images: ImagesConfig) -> DeepPixels:
    """Convert [H, W, channels] to the requested channels and depth.

    Raises:
        UnreadableImageError: the channels differ and are not grey and colour.
    """
    pixels = _with_channels(pixels, images.channels)
    if images.bits == 8 and pixels.dtype == np.uint16:
        pixels = to_8_bits(pixels)
    elif images.bits == 16 and pixels.dtype == np.uint8:
        pixels = pixels.astype(np.uint16) * 257
    return np.ascontiguousarray(pixels)


def _luma(rgb: DeepPixels) -> DeepPixels:
    """[H, W, 3] to [H, W, 1] by ITU-R 601, in Pillow's arithmetic."""
    red, green, blue = np.moveaxis(rgb.astype(np.uint32), 2, 0)
    grey = (red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16
    luma: DeepPixels = grey.astype(rgb.dtype)[:, :, None]
    return luma


def stored_form(data: bytes, *, max_pixels: int | None = None) -> ImagesConfig:
    """The configuration that decodes an image without loss; 8-bit grey counts as 8-bit RGB, which looks the same.

    Raises:
        UnreadableImageError: as in `decode_image`.
    """
    pixels = _stored(data, None, max_pixels)
    channels = pixels.shape[2]
    if pixels.dtype == np.uint8 and channels == 1:
        return ImagesConfig(channels=3, bits=8)
    return ImagesConfig(channels=channels, bits=8 if pixels.dtype == np.uint8 else 16)


def _with_channels(pixels: DeepPixels, channels: int) -> DeepPixels:
    found = pixels.shape[2]
    if found == channels:
        return pixels
    if (found, channels) == (3, 1):
        return _luma(pixels)
    if (found, channels) == (1, 3):
        return np.repeat(pixels, 3, axis=2)
    raise UnreadableImageError(
        "other channels", f"it has {found}, but pretrain.images.channels is {channels}"
    )


def _stored(data: bytes, channels: int | None, max_pixels: int | None) -> DeepPixels:
    """Decode at the file's own depth and channels. Transparency goes over white, unless `channels` includes it."""
    if not data:
        raise UnreadableImageError("empty", "")
    if data.startswith(CLASSIC + BIG):
        pixels = read_tiff(data, channels=channels, max_pixels=max_pixels)
        if pixels is not None:
            return pixels
    jpeg = decode_jpeg(data, max_pixels, keep_grey=True)
    if jpeg is not None:
        return jpeg
    if _is_deep_colour_png(data):
        return _deep_colour_png(data, channels, max_pixels)
    return decode_with_pillow(data, max_pixels, lambda image: _as_stored(image, channels))


def _as_stored(image: Image.Image, channels: int | None) -> DeepPixels:
    if is_deep_grey(image):
        return deep_grey(image)[:, :, None]
    if image.mode == "F":
        raise UnreadableImageError("unsupported pixels", "floating-point images have no defined white")
    if image.mode in ("LA", "RGBA") and len(image.getbands()) == channels:
        return np.array(image)
    opaque = over_white(image)
    if opaque.mode in ("1", "L"):
        return np.array(opaque.convert("L"))[:, :, None]
    colours = opaque.convert("RGB")
    return np.array(colours.convert("L"))[:, :, None] if channels == 1 else np.array(colours)


def _is_deep_colour_png(data: bytes) -> bool:
    # IHDR comes first, with bit depth and colour type (0 is grey). Pillow reduces such files to 8 bits.
    return data.startswith(b"\x89PNG") and data[24:25] == b"\x10" and data[25:26] != b"\0"


def _deep_colour_png(data: bytes, channels: int | None, max_pixels: int | None) -> DeepPixels:
    # Pillow comes first because it detects damage; OpenCV returns whatever it could read.
    orientation = decode_with_pillow(
        data,
        max_pixels,
        lambda image: np.array([image.getexif().get(ExifTags.Base.Orientation, 1)], dtype=np.uint8),
    )
    found: Any = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    order = cv2.COLOR_BGRA2RGBA if found.shape[2] == 4 else cv2.COLOR_BGR2RGB
    pixels: DeepPixels = cv2.cvtColor(found, order)
    if data[25] == 4:  # grey and alpha, which OpenCV expands to colour
        pixels = pixels[:, :, [0, 3]]
    if pixels.shape[2] in (2, 4) and channels != pixels.shape[2]:
        pixels = deep_over_white(pixels)
    return upright(pixels, int(orientation[0]))
