"""Rectangles against torchvision's, pixels against Pillow's."""

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision.transforms import RandomResizedCrop

from dino_pipeline.dino.core.data.addressing import Domain, generator_at
from dino_pipeline.dino.core.data.multi_crop import crop_and_resize, random_rectangle


@pytest.mark.parametrize("area_range", [(0.4, 1.0), (0.05, 0.4)])
@pytest.mark.parametrize(
    ("height", "width"), [(64, 96), (300, 40)], ids=["landscape", "a strip that falls back"]
)
def test_rectangles_are_distributed_like_torchvisions(
    height: int, width: int, area_range: tuple[float, float]
) -> None:
    torch.manual_seed(0)
    image = torch.empty(3, height, width)
    theirs = np.array(
        [RandomResizedCrop.get_params(image, list(area_range), [3 / 4, 4 / 3]) for _ in range(1500)]
    )
    ours = np.array(
        [random_rectangle(generator_at(0, Domain.VIEW, i), height, width, area_range) for i in range(1500)]
    )
    for column in range(4):
        both = np.sort(np.concatenate([ours[:, column], theirs[:, column]]))
        shares = [
            np.searchsorted(np.sort(side[:, column]), both, side="right") / 1500 for side in (ours, theirs)
        ]
        assert np.abs(shares[0] - shares[1]).max() < 0.06, column  # Kolmogorov-Smirnov distance


def test_resampled_pixels_are_pillows() -> None:
    rng = np.random.default_rng(0)
    smooth = np.kron(rng.integers(0, 256, (12, 15, 3)), np.ones((8, 8, 1))).astype(np.uint8)
    rectangle = (5, 9, 60, 70)
    ours = crop_and_resize(smooth, rectangle, 32).astype(int)
    box = (9, 5, 9 + 70, 5 + 60)
    theirs = np.asarray(Image.fromarray(smooth).crop(box).resize((32, 32), Image.Resampling.BICUBIC)).astype(
        int
    )
    assert ours.shape == (32, 32, 3)
    assert np.abs(ours - theirs).mean() < 0.2
    assert np.abs(ours - theirs).max() <= 2
