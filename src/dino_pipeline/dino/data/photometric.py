"""Photometric augmentation of one uint8 crop, in OpenCV: jitter, greyscale, blur, solarization, in the paper's order.

Each operation is Pillow's arithmetic as torchvision uses it, on lookup tables and SIMD instead of whole-image blends.
"""

import cv2
import numpy as np

from dino_pipeline.dino.data.multi_crop_config import ViewConfig

_LEVELS = np.arange(256, dtype=np.float32)
_SOLARIZE_TABLE = np.where(_LEVELS < 128, _LEVELS, 255 - _LEVELS).astype(np.uint8)


def augment(crop: np.ndarray, view: ViewConfig, rng: np.random.Generator) -> np.ndarray:
    """Flip and colour one crop [H, W, 3] uint8 as its view asks."""
    if rng.random() < view.flip_probability:
        crop = cv2.flip(crop, 1)
    if rng.random() < view.jitter_probability:
        crop = _color_jitter(crop, view, rng)
    if rng.random() < view.grayscale_probability:
        crop = _to_three_channels(_luma(crop))
    if rng.random() < view.blur_probability:
        sigma = rng.uniform(*view.blur_radius)
        crop = cv2.GaussianBlur(crop, (0, 0), sigma, borderType=cv2.BORDER_REPLICATE)
    if rng.random() < view.solarize_probability:
        crop = cv2.LUT(crop, _SOLARIZE_TABLE)
    return crop


def _color_jitter(crop: np.ndarray, view: ViewConfig, rng: np.random.Generator) -> np.ndarray:
    """Brightness, contrast, saturation and hue, in random order (torchvision's ColorJitter)."""
    brightness, contrast, saturation = (
        rng.uniform(1 - amount, 1 + amount) for amount in (view.brightness, view.contrast, view.saturation)
    )
    hue = rng.uniform(-view.hue, view.hue)
    for operation in rng.permutation(4):
        if operation == 0:
            crop = cv2.LUT(crop, _table(_LEVELS * brightness))
        elif operation == 1:
            mean = round(float(_luma(crop).mean()))
            crop = cv2.LUT(crop, _table(mean + (_LEVELS - mean) * contrast))
        elif operation == 2:
            crop = cv2.addWeighted(crop, saturation, _to_three_channels(_luma(crop)), 1 - saturation, 0)
        else:
            crop = _shift_hue(crop, hue)
    return crop


def _shift_hue(crop: np.ndarray, hue: float) -> np.ndarray:
    hsv = cv2.cvtColor(crop, cv2.COLOR_RGB2HSV_FULL)
    hsv[..., 0] += np.uint8(int(hue * 255) % 256)  # wraps around the colour circle
    return cv2.cvtColor(hsv, cv2.COLOR_HSV2RGB_FULL)


def _table(values: np.ndarray) -> np.ndarray:
    return values.clip(0, 255).astype(np.uint8)


def _luma(crop: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)


def _to_three_channels(gray: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(gray, cv2.COLOR_GRAY2RGB)
