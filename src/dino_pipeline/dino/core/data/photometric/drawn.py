"""What is drawn for a crop: the one definition of the photometric augmentation, which two executors carry out.

Flip, colour jitter, greyscale, blur and solarization, in the paper's order (arXiv:2104.14294, appendix; BYOL's).
The draws do not depend on pixels, so they can be made where the image is read and carried out elsewhere.
"""

from typing import Generic, NamedTuple, TypeVar

import numpy as np

from dino_pipeline.dino.core.data.multi_crop_config import ViewConfig

T = TypeVar("T")

BRIGHTNESS, CONTRAST, SATURATION, HUE = range(4)


class Jitter(NamedTuple):
    """torchvision's ColorJitter: three factors, a turn of the hue in circles, and the order they come in."""

    brightness: float
    contrast: float
    saturation: float
    hue: float
    order: list[int]  # of BRIGHTNESS, CONTRAST, SATURATION and HUE


# Four times a brightness of 1 changes no level.
_NO_JITTER = Jitter(brightness=1.0, contrast=1.0, saturation=1.0, hue=0.0, order=[BRIGHTNESS] * 4)


class Drawn(NamedTuple):
    """What is to be done to one crop."""

    flip: bool
    jitter: Jitter | None
    grayscale: bool
    blur_sigma: float | None  # pixels
    solarize: bool


def draw(view: ViewConfig, rng: np.random.Generator) -> Drawn:
    """What a view's probabilities and ranges give at this address of the generator."""
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
    """The same as numbers, for many crops at once: of one crop floats, on the device a tensor [crops] each."""

    flip: T  # 0 or 1, as grayscale and solarize
    brightness: T
    contrast: T
    saturation: T
    hue: T
    first: T  # which operation of the jitter comes first, ...
    second: T
    third: T
    fourth: T
    grayscale: T
    blur_sigma: T  # 0: no blur
    solarize: T


def as_row(drawn: Drawn) -> Row[float]:
    """What was drawn for one crop, as numbers."""
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
