"""Each photometric operation against torchvision's on Pillow images."""

from dataclasses import replace

import numpy as np
import pytest
import torchvision.transforms.functional as tvf
from PIL import Image, ImageFilter, ImageOps

from dino_pipeline.dino.core.data.addressing import Domain, generator_at
from dino_pipeline.dino.core.data.multi_crop_config import ViewConfig
from dino_pipeline.dino.core.data.photometric import opencv
from dino_pipeline.dino.core.data.photometric.drawn import (
    BRIGHTNESS,
    CONTRAST,
    HUE,
    SATURATION,
    Drawn,
    Jitter,
    draw,
)

UNTOUCHED = Drawn(flip=False, jitter=None, grayscale=False, blur_sigma=None, solarize=False)

NOTHING = ViewConfig(
    flip_probability=0.0,
    jitter_probability=0.0,
    brightness=0.0,
    contrast=0.0,
    saturation=0.0,
    hue=0.0,
    grayscale_probability=0.0,
    blur_probability=0.0,
    blur_radius=(0.1, 2.0),
    solarize_probability=0.0,
)


@pytest.fixture(scope="module")
def crop() -> np.ndarray:
    """A colourful smooth picture with an edge."""
    y, x = np.mgrid[0:48, 0:64]
    image = np.stack([x * 4, y * 5, 255 - (x + y) * 2], axis=-1).clip(0, 255)
    image[10:20, 10:40] = (250, 30, 60)
    return image.astype(np.uint8)


def augmented(crop: np.ndarray, **view: object) -> np.ndarray:
    return opencv.augment(crop, draw(replace(NOTHING, **view), generator_at(0, Domain.VIEW)))


def test_nothing_is_done_where_all_probabilities_are_zero(crop: np.ndarray) -> None:
    assert np.array_equal(augmented(crop), crop)


def test_flip_greyscale_and_solarization_are_pillows(crop: np.ndarray) -> None:
    image = Image.fromarray(crop)
    assert np.array_equal(augmented(crop, flip_probability=1.0), np.asarray(ImageOps.mirror(image)))
    assert np.array_equal(augmented(crop, solarize_probability=1.0), np.asarray(ImageOps.solarize(image)))
    grey = np.asarray(image.convert("L"))[..., None].repeat(3, axis=-1).astype(int)
    assert np.abs(augmented(crop, grayscale_probability=1.0) - grey).max() <= 1


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0])
def test_blur_is_close_to_pillows(crop: np.ndarray, sigma: float) -> None:
    ours = augmented(crop, blur_probability=1.0, blur_radius=(sigma, sigma)).astype(int)
    theirs = np.asarray(Image.fromarray(crop).filter(ImageFilter.GaussianBlur(sigma))).astype(int)
    # Pillow itself approximates the Gaussian by boxes; unblurred, the mean difference is several times as much.
    assert np.abs(ours - theirs).mean() < 1.5


@pytest.mark.parametrize("strength", [0.0, 0.25, 0.9])
@pytest.mark.parametrize(
    ("first", "name"),
    [(BRIGHTNESS, "brightness"), (CONTRAST, "contrast"), (SATURATION, "saturation"), (HUE, "hue")],
)
def test_colour_jitter_is_torchvisions(crop: np.ndarray, first: int, name: str, strength: float) -> None:
    centre = 0.0 if name == "hue" else 1.0
    factor = centre - 0.4 + strength * 0.8
    alone = Jitter(1.0, 1.0, 1.0, 0.0, order=[first])._replace(**{name: factor})
    ours = opencv.augment(crop, UNTOUCHED._replace(jitter=alone)).astype(int)
    theirs = np.asarray(getattr(tvf, f"adjust_{name}")(Image.fromarray(crop), factor)).astype(int)
    assert np.abs(ours - theirs).mean() < (2.5 if name == "hue" else 1.0)


EVERYTHING = replace(
    NOTHING,
    flip_probability=1.0,
    jitter_probability=1.0,
    brightness=0.4,
    contrast=0.4,
    saturation=0.2,
    hue=0.1,
    grayscale_probability=1.0,
    blur_probability=1.0,
    solarize_probability=1.0,
)


def deepened(crop: np.ndarray) -> np.ndarray:
    return crop.astype(np.uint16) * 257


@pytest.mark.parametrize(
    "change",
    [
        {"flip_probability": 1.0},
        {"jitter_probability": 1.0, "brightness": 0.4},
        {"jitter_probability": 1.0, "contrast": 0.4},
        {"jitter_probability": 1.0, "saturation": 0.4},
        {"grayscale_probability": 1.0},
        {"blur_probability": 1.0},
        {"solarize_probability": 1.0},
    ],
    ids=lambda change: next(reversed(change)),
)
def test_16_bits_are_treated_as_8_are_but_for_rounding(crop: np.ndarray, change: dict[str, float]) -> None:
    shallow, deep = augmented(crop, **change), augmented(deepened(crop), **change)
    assert deep.dtype == np.uint16
    difference = np.abs(deep / 257 - shallow)
    assert difference.mean() <= 1.5
    assert difference.max() <= 10  # what 8-bit hue and saturation lose, even where nothing is turned


def test_the_hue_of_16_bits_turns_as_colorsys_does_it() -> None:
    import colorsys

    pixel = np.array([[[60000, 20000, 5000]]], dtype=np.uint16)
    hue, saturation, value = colorsys.rgb_to_hsv(*(pixel[0, 0] / 65535))
    expected = colorsys.hsv_to_rgb((hue + 0.1) % 1, saturation, value)
    np.testing.assert_allclose(opencv._shift_hue(pixel, 0.1)[0, 0] / 65535, expected, atol=1e-4)


@pytest.mark.parametrize("channels", [1, 2, 4, 5])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_any_channels_pass_every_operation_and_colours_are_left_out(channels: int, dtype: type) -> None:
    random = np.random.default_rng(0)
    crop = random.integers(0, np.iinfo(dtype).max + 1, (20, 24, channels)).astype(dtype)
    for seed in range(6):
        done = opencv.augment(crop, draw(EVERYTHING, generator_at(seed, Domain.VIEW)))
        assert (done.shape, done.dtype) == (crop.shape, crop.dtype)
    only_color = replace(NOTHING, jitter_probability=1.0, saturation=0.9, hue=0.5, grayscale_probability=1.0)
    assert np.array_equal(opencv.augment(crop, draw(only_color, generator_at(0, Domain.VIEW))), crop)


def test_a_channel_is_augmented_the_same_beside_others_as_alone() -> None:
    grey = np.random.default_rng(0).integers(0, 256, (20, 24, 1), dtype=np.uint8)
    five = np.repeat(grey, 5, axis=2)
    for seed in range(6):
        alone, beside = (
            opencv.augment(crop, draw(EVERYTHING, generator_at(seed, Domain.VIEW))) for crop in (grey, five)
        )
        assert np.array_equal(np.repeat(alone, 5, axis=2), beside)
