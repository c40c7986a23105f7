"""Photometric augmentation of one crop with OpenCV, for the CPU.

Each operation has Pillow's arithmetic as torchvision uses it, with lookup tables and SIMD in place of whole-image
blends. Saturation, hue and greyscale need colour: images without exactly 3 channels skip them, as grey images do in
torchvision. The drawn parameters do not depend on the number of channels.
"""

from collections.abc import Callable

import cv2
import numpy as np

from dino_pipeline.dino.core.data.photometric.drawn import BRIGHTNESS, CONTRAST, SATURATION, Drawn, Jitter

_LEVELS = np.arange(256, dtype=np.float32)


def augment(crop: np.ndarray, drawn: Drawn) -> np.ndarray:
    """Apply the drawn flip and colour changes to one crop [H, W, channels], uint8 or uint16."""
    shape = crop.shape
    if drawn.flip:
        crop = cv2.flip(crop, 1)
    if drawn.jitter:
        crop = _color_jitter(crop, drawn.jitter)
    if drawn.grayscale and _has_color(crop):
        crop = _to_three_channels(_luma(crop))
    if drawn.blur_sigma:
        crop = cv2.GaussianBlur(crop, (0, 0), drawn.blur_sigma, borderType=cv2.BORDER_REPLICATE)
    if drawn.solarize:
        crop = _solarize(crop)
    return crop.reshape(shape)  # OpenCV drops the axis of a single channel


def _color_jitter(crop: np.ndarray, jitter: Jitter) -> np.ndarray:
    for operation in jitter.order:
        if operation == BRIGHTNESS:
            crop = _on_levels(crop, lambda levels: levels * jitter.brightness)
        elif operation == CONTRAST:
            crop = _change_contrast(crop, jitter.contrast)
        elif not _has_color(crop):
            continue
        elif operation == SATURATION:
            gray = _to_three_channels(_luma(crop))
            crop = cv2.addWeighted(crop, jitter.saturation, gray, 1 - jitter.saturation, 0)
        else:
            crop = _shift_hue(crop, jitter.hue)
    return crop


def _change_contrast(crop: np.ndarray, contrast: float) -> np.ndarray:
    if _has_color(crop):
        mean = round(float(_luma(crop).mean()))
        return _on_levels(crop, lambda levels: mean + (levels - mean) * contrast)
    # Channels of different sensors have different scales, so each is spread around its own mean.
    means = crop.mean(axis=(0, 1)).round().astype(np.float32)
    return _clipped(means + (crop - means) * np.float32(contrast), crop.dtype)


def _shift_hue(crop: np.ndarray, hue: float) -> np.ndarray:
    if crop.dtype == np.uint8:
        hsv = cv2.cvtColor(crop, cv2.COLOR_RGB2HSV_FULL)
        hsv[..., 0] += np.uint8(int(hue * 255) % 256)  # wraps around the colour circle
        return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL)
    white = np.iinfo(crop.dtype).max
    hsv = cv2.cvtColor(crop.astype(np.float32) / white, cv2.COLOR_RGB2HSV)
    hsv[..., 0] = (hsv[..., 0] + hue * 360) % 360
    return _clipped((cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB) * white).round(), crop.dtype)


def _solarize(crop: np.ndarray) -> np.ndarray:
    """Invert values at or above half of white."""
    white = np.iinfo(crop.dtype).max
    return _on_levels(crop, lambda levels: np.where(levels < (white + 1) // 2, levels, white - levels))


def _on_levels(crop: np.ndarray, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Apply a function to each value, for 8 bits by a lookup table."""
    if crop.dtype == np.uint8:
        return cv2.LUT(crop, _clipped(function(_LEVELS), crop.dtype))
    return _clipped(function(crop.astype(np.float32)), crop.dtype)


def _has_color(crop: np.ndarray) -> bool:
    return crop.ndim == 3 and crop.shape[2] == 3


def _clipped(values: np.ndarray, dtype: np.dtype) -> np.ndarray:
    return values.clip(0, np.iinfo(dtype).max).astype(dtype)


def _luma(crop: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)


def _to_three_channels(gray: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(gray, cv2.COLOR_GRAY2RGB)
