"""Views: addressed, of the right sizes, and distributed like the reference's."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.multi_crop import Views, multi_crop, multi_crop_to_augment
from dino_pipeline.dino.core.data.multi_crop_config import MultiCropConfig
from dino_pipeline.dino.core.data.photometric import batched

PAPERS_VIEW = {
    "flip_probability": 0.5,
    "jitter_probability": 0.8,
    "brightness": 0.4,
    "contrast": 0.4,
    "saturation": 0.2,
    "hue": 0.1,
    "grayscale_probability": 0.2,
    "blur_probability": 1.0,
    "blur_radius": [0.1, 2.0],
    "solarize_probability": 0.0,
}
PAPERS = from_dict(
    MultiCropConfig,
    {
        "global_crop_size": 224,
        "global_crop_scale": [0.4, 1.0],
        "num_local_crops": 1,
        "local_crop_size": 96,
        "local_crop_scale": [0.05, 0.4],
        "global_1": PAPERS_VIEW,
        "global_2": PAPERS_VIEW | {"blur_probability": 0.1, "solarize_probability": 0.2},
        "local": PAPERS_VIEW | {"blur_probability": 0.5},
    },
)


def image(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 256, (60, 80, 3), dtype=np.uint8)


def test_crops_have_their_sizes_and_a_view_is_a_function_of_its_address() -> None:
    config = replace(PAPERS, num_local_crops=3)
    views = multi_crop(image(), config, seed=1, epoch=2, place=3)
    assert views.global_crops.shape == (2, 224, 224, 3)
    assert views.local_crops.shape == (3, 96, 96, 3)
    again = multi_crop(image(), config, seed=1, epoch=2, place=3)
    assert all(np.array_equal(a, b) for a, b in zip(views, again, strict=True))
    fewer = multi_crop(image(), PAPERS, seed=1, epoch=2, place=3)
    assert np.array_equal(fewer.local_crops[0], views.local_crops[0])
    for other in ({"seed": 9}, {"epoch": 9}, {"place": 9}):
        address = {"seed": 1, "epoch": 2, "place": 3} | other
        assert not np.array_equal(multi_crop(image(), config, **address).global_crops, views.global_crops)


def test_no_local_crops_give_an_empty_array() -> None:
    views = multi_crop(image(), replace(PAPERS, num_local_crops=0), seed=0, epoch=0, place=0)
    assert views.local_crops.shape == (0, 96, 96, 3)


def test_a_range_that_falls_is_refused() -> None:
    with pytest.raises(ValueError, match=r"global_crop_scale is \[1, 0.4\]: give the smaller first"):
        replace(PAPERS, global_crop_scale=(1.0, 0.4))


def statistics(crop: np.ndarray) -> list[float]:
    """The columns of augmentation.npz: channel means, channel deviations, sharpness, saturation, greyscale."""
    red, green, blue = x = np.ascontiguousarray(crop.transpose(2, 0, 1)) / 255.0
    luma = 0.299 * red + 0.587 * green + 0.114 * blue
    inner = luma[1:-1, 1:-1]
    laplacian = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:] - 4 * inner
    chroma = x.max(axis=0) - x.min(axis=0)
    return [*x.mean((1, 2)), *x.std((1, 2)), laplacian.std(), chroma.mean(), float(chroma.max() < 1e-6)]


def distance(a: np.ndarray, b: np.ndarray) -> float:
    """Two-sample Kolmogorov-Smirnov; rounded, for the saturation of a grey crop is 0 here and 1e-8 in the reference."""
    a, b = a.round(5), b.round(5)
    both = np.concatenate([a, b])
    shares = [np.searchsorted(np.sort(side), both, side="right") / len(side) for side in (a, b)]
    return float(np.abs(shares[0] - shares[1]).max())


def augmented_on_device(photograph: np.ndarray, config: MultiCropConfig, **address: int) -> Views:
    """What `multi_crop` gives, its colours by the executor for the device."""
    views = multi_crop_to_augment(photograph, config, **address)

    def augmented(crops: np.ndarray, rows: np.ndarray) -> np.ndarray:
        channels_first = torch.from_numpy(crops).permute(0, 3, 1, 2)
        done = batched.augment(channels_first, torch.from_numpy(rows), largest_sigma=2.0)
        return done.permute(0, 2, 3, 1).numpy()

    drawn = views.drawn
    return Views(augmented(views.global_crops, drawn[:2]), augmented(views.local_crops, drawn[2:]), None)


def test_views_are_the_same_wherever_they_are_augmented() -> None:
    photograph = np.kron(image(), np.ones((4, 4, 1))).astype(np.uint8)
    for row in range(4):
        here, there = (
            make(photograph, PAPERS, seed=1, epoch=2, place=row) for make in (multi_crop, augmented_on_device)
        )
        assert here.drawn is None
        for ours, theirs in ((here[0], there[0]), (here[1], there[1])):
            assert np.abs(ours - theirs).mean() < 0.6


@pytest.mark.golden
@pytest.mark.parametrize(
    "make_views",
    [multi_crop, pytest.param(augmented_on_device, marks=pytest.mark.full)],  # a minute
)
def test_views_are_distributed_like_the_references(
    golden: Path, datasets: Path, make_views: Callable[..., Views]
) -> None:
    numbers = np.load(golden / "augmentation.npz")
    root = Path(os.environ.get("DATASETS_DIR", datasets))
    files = [root / name for name in numbers["files"]]
    if not all(file.is_file() for file in files):
        pytest.skip("the photographs that augmentation.npz was drawn from are not there")
    photographs = [np.array(Image.open(file).convert("RGB")) for file in files]
    num_draws = len(numbers["local"])
    rows = {"global1": [], "global2": [], "local": []}
    for draw in range(num_draws):
        photograph = photographs[draw % len(files)]
        views = make_views(photograph, PAPERS, seed=0, epoch=draw, place=draw % len(files))
        for name, crop in zip(rows, [*views.global_crops, views.local_crops[0]], strict=True):
            rows[name].append(statistics(crop))
    distances = {
        (name, str(label)): distance(np.array(drawn)[:, column], numbers[name][:, column])
        for name, drawn in rows.items()
        for column, label in enumerate(numbers["columns"])
    }
    assert max(distances.values()) <= 0.08, distances
