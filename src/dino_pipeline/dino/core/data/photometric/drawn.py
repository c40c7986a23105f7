"""The parameters drawn for a crop. Both implementations of the photometric augmentation apply this definition.

It contains flip, colour jitter, greyscale, blur and solarization, in the paper's order (arXiv:2104.14294, appendix;
BYOL). The draws do not depend on pixels, so one process can draw them and another device can apply them.
"""

from typing import Generic, NamedTuple, TypeVar

import numpy as np

from dino_pipeline.dino.core.data.multi_crop_config import ViewConfig

T = TypeVar("T")

BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)


class Jitter(NamedTuple):
    """torchvision's ColorJitter: three factors, a hue shift as a fraction of the circle, and their order."""

    brightness: float
    contrast: float
    saturation: float
    hue: float
    order: list[int]  # permutation of BRIGHTNESS, CONTRAST, SATURATION and HUE


# A brightness factor of 1, four times, changes no value.
_NO_JITTER = Jitter(brightness=1.0, contrast=1.0, saturation=1.0, hue=0.0, order=[BRIGHTNESS] * 4)


class Drawn(NamedTuple):
    """Augmentation parameters of one crop."""

    flip: bool
    jitter: Jitter | None
    grayscale: bool
    blur_sigma: float | None  # pixels
    solarize: bool


def draw(view: ViewConfig, rng: np.random.Generator) -> Drawn:
    """Draw the parameters of a view from its probabilities and ranges."""
    flip = rng.random() < view.flip_probability
    jitter = _draw_jitter(view, rng) if rng.random() < view.jitter_probability else None
    grayscale = rng.random() < view.grayscale_probability
    blur_sigma = rng.uniform(*view.blur_radius) if rng.random() < view.blur_probability else None
    return Drawn(flip, jitter, grayscale, blur_sigma, solarize=rng.random() < view.solarize_probability)


def _draw_jitter(view: ViewConfig, rng: np.random.Generator) -> Jitter:
    brightness, contrast, saturation = (
        rng.uniform(1 - amount, 1 + amount) for amount in (view.brightness, view.contrast, view.saturation)
    )
    hue = rng.uniform(-view.hue, view.hue)
    return Jitter(brightness, contrast, saturation, hue, rng.permutation(4).tolist())


class Row(NamedTuple, Generic[T]):
    """`Drawn` as numbers: floats for one crop, or tensors [crops] on the device for many crops."""

    flip: T  # 0 or 1, like grayscale and solarize
    brightness: T
    contrast: T
    saturation: T
    hue: T
    first: T  # first operation of the jitter
    second: T
    third: T
    fourth: T
    grayscale: T
    blur_sigma: T  # 0: no blur
    solarize: T


def as_row(drawn: Drawn) -> Row[float]:
    """Convert the parameters of one crop to numbers."""
    jitter = drawn.jitter or _NO_JITTER
    first, second, third, fourth = jitter.order
    return Row(
        flip=drawn.flip,
        brightness=jitter.brightness,
        contrast=jitter.contrast,
        saturation=jitter.saturation,
        hue=jitter.hue,
        first=first,
        second=second,
        third=third,
        fourth=fourth,
        grayscale=drawn.grayscale,
        blur_sigma=drawn.blur_sigma or 0.0,
        solarize=drawn.solarize,
    )
