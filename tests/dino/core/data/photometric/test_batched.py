"""The executor for the device against the one for the CPU: one operation at a time, all together, any channels."""

import numpy as np
import pytest
import torch

from dino_pipeline.dino.core.data.addressing import Domain, generator_at
from dino_pipeline.dino.core.data.multi_crop_config import ViewConfig
from dino_pipeline.dino.core.data.photometric import batched, opencv
from dino_pipeline.dino.core.data.photometric.drawn import (
    BRIGHTNESS,
    CONTRAST,
    HUE,
    SATURATION,
    Drawn,
    Jitter,
    as_row,
    draw,
)

NUM = 24
NOTHING = Drawn(flip=False, jitter=None, grayscale=False, blur_sigma=None, solarize=False)
LARGEST_SIGMA = 2.0


def crops(dtype: type, channels: int) -> np.ndarray:
    """[NUM, H, W, channels]: patches of even colour, half of them under noise."""
    random = np.random.default_rng(0)
    white = np.iinfo(dtype).max
    even = np.kron(random.integers(0, white + 1, (NUM, 6, 8, channels)), np.ones((1, 4, 4, 1)))
    noise = random.integers(0, white + 1, even.shape) * (np.arange(NUM) % 2).reshape(-1, 1, 1, 1)
    return (0.8 * even + 0.2 * noise).astype(dtype)


def by_opencv(images: np.ndarray, draws: list[Drawn]) -> np.ndarray:
    return np.stack([opencv.augment(image, drawn) for image, drawn in zip(images, draws, strict=True)])


def at_once(images: np.ndarray, draws: list[Drawn]) -> np.ndarray:
    rows = torch.tensor([as_row(drawn) for drawn in draws])
    channels_first = torch.from_numpy(images).permute(0, 3, 1, 2)
    done = batched.augment(channels_first, rows, largest_sigma=LARGEST_SIGMA)
    assert done.dtype == torch.float32
    return done.permute(0, 2, 3, 1).numpy()


def jitters(name: str, values: np.ndarray) -> list[Drawn]:
    """One operation at each of these strengths, beside three that change nothing."""
    first = {"brightness": BRIGHTNESS, "contrast": CONTRAST, "saturation": SATURATION, "hue": HUE}[name]
    neutral = CONTRAST if first == BRIGHTNESS else BRIGHTNESS
    plain = Jitter(brightness=1.0, contrast=1.0, saturation=1.0, hue=0.0, order=[first, *[neutral] * 3])
    return [NOTHING._replace(jitter=plain._replace(**{name: float(value)})) for value in values]


OPERATIONS = {
    "flip": [NOTHING._replace(flip=True)] * NUM,
    "brightness": jitters("brightness", np.linspace(0.6, 1.4, NUM)),
    "contrast": jitters("contrast", np.linspace(0.6, 1.4, NUM)),
    "saturation": jitters("saturation", np.linspace(0.6, 1.4, NUM)),
    "hue": jitters("hue", np.linspace(-0.5, 0.5, NUM)),
    "greyscale": [NOTHING._replace(grayscale=True)] * NUM,
    "blur": [NOTHING._replace(blur_sigma=float(sigma)) for sigma in np.linspace(0.1, LARGEST_SIGMA, NUM)],
    "solarize": [NOTHING._replace(solarize=True)] * NUM,
}
# Of a type's levels, at most and in the mean. OpenCV's blur has weights of 8 bits; where a hue of 8 bits lies between
# two of its 256 levels, the neighbour may be taken.
TOLERANCE = dict.fromkeys(OPERATIONS, (1, 0.01)) | {
    "flip": (0, 0),
    "solarize": (0, 0),
    "hue": (6, 0.05),
    "blur": (2, 0.3),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_each_operation_leaves_opencvs_levels(name: str) -> None:
    images, draws = crops(np.uint8, 3), OPERATIONS[name]
    difference = np.abs(at_once(images, draws) - by_opencv(images, draws))
    largest, mean = TOLERANCE[name]
    assert difference.max() <= largest
    assert difference.mean() <= mean
    # it did something
    assert name == "hue" or np.abs(by_opencv(images, draws).astype(int) - images).mean() > 1


@pytest.mark.parametrize("name", OPERATIONS)
@pytest.mark.parametrize(("dtype", "channels"), [(np.uint16, 3), (np.uint8, 1), (np.uint16, 5)])
def test_deep_images_and_any_channels_are_treated_alike(name: str, dtype: type, channels: int) -> None:
    images, draws = crops(dtype, channels), OPERATIONS[name]
    assert np.abs(at_once(images, draws) - by_opencv(images, draws)).max() <= 2


EVERYTHING = ViewConfig(
    flip_probability=0.5,
    jitter_probability=0.8,
    brightness=0.4,
    contrast=0.4,
    saturation=0.2,
    hue=0.1,
    grayscale_probability=0.2,
    blur_probability=0.5,
    blur_radius=(0.1, LARGEST_SIGMA),
    solarize_probability=0.2,
)


def test_whole_augmentations_are_opencvs_but_for_rounding() -> None:
    images = crops(np.uint8, 3)
    for epoch in range(5):
        draws = [draw(EVERYTHING, generator_at(0, Domain.VIEW, epoch, row)) for row in range(NUM)]
        difference = np.abs(at_once(images, draws) - by_opencv(images, draws))
        # The level of a rounding is all of white where it crosses the threshold of solarization.
        solarized = np.array([drawn.solarize for drawn in draws])
        assert difference[~solarized].max() <= 10
        assert difference.mean() <= 0.5


def test_a_crop_is_augmented_the_same_beside_others_as_alone() -> None:
    images = crops(np.uint8, 3)
    draws = [draw(EVERYTHING, generator_at(0, Domain.VIEW, 0, row)) for row in range(NUM)]
    together = at_once(images, draws)
    for index in (0, 7, NUM - 1):
        np.testing.assert_array_equal(
            at_once(images[index : index + 1], draws[index : index + 1])[0], together[index]
        )
