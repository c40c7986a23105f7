"""Photometric augmentation of one crop, in OpenCV: jitter, greyscale, blur, solarization, in the paper's order.

Each operation is Pillow's arithmetic as torchvision uses it, on lookup tables and SIMD instead of whole-image blends.
Saturation, hue and greyscale are of colours: images of other than 3 channels pass them unchanged, as grey ones do in
torchvision. What is drawn for a view does not depend on its channels.
"""

from collections.abc import Callable

import cv2
import numpy as np

from dino_pipeline.dino.data.multi_crop_config import ViewConfig

_LEVELS = np.arange(256, dtype=np.float32)


def augment(crop: np.ndarray, view: ViewConfig, rng: np.random.Generator) -> np.ndarray:
    """Flip and colour one crop [H, W, channels], uint8 or uint16, as its view asks."""
    shape = crop.shape
    if rng.random() < view.flip_probability:
        crop = cv2.flip(crop, 1)
    if rng.random() < view.jitter_probability:
        crop = _color_jitter(crop, view, rng)
    if rng.random() < view.grayscale_probability and _has_color(crop):
        crop = _to_three_channels(_luma(crop))
    if rng.random() < view.blur_probability:
        sigma = rng.uniform(*view.blur_radius)
        crop = cv2.GaussianBlur(crop, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    if rng.random() < view.solarize_probability:
        crop = _solarize(crop)
    return crop.reshape(shape)  # OpenCV leaves out the axis of a single channel


def _color_jitter(crop: np.ndarray, view: ViewConfig, rng: np.random.Generator) -> np.ndarray:
    """Brightness, contrast, saturation and hue, in random order (torchvision's ColorJitter)."""
    brightness, contrast, saturation = (
        rng.uniform(1 - amount, 1 + amount) for amount in (view.brightness, view.contrast, view.saturation)
    )
    hue = rng.uniform(-view.hue, view.hue)
    for operation in rng.permutation(4):
        if operation == 0:
            crop = _on_levels(crop, lambda levels: levels * brightness)
        elif operation == 1:
            crop = _change_contrast(crop, contrast)
        elif not _has_color(crop):
            continue
        elif operation == 2:
            crop = cv2.addWeighted(crop, saturation, _to_three_channels(_luma(crop)), 1 - saturation, 0)
        else:
            crop = _shift_hue(crop, hue)
    return crop


def _change_contrast(crop: np.ndarray, contrast: float) -> np.ndarray:
    if _has_color(crop):
        mean = round(float(_luma(crop).mean()))
        return _on_levels(crop, lambda levels: mean + (levels - mean) * contrast)
    # Channels of different sensors have scales of their own: each is spread about its own mean.
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
    """Invert what is at or above half of white."""
    white = np.iinfo(crop.dtype).max
    return _on_levels(crop, lambda levels: np.where(levels < (white + 1) // 2, levels, white - levels))


def _on_levels(crop: np.ndarray, function: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """A function of single values: of 256 of them by a table."""
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
