"""Sizes are whole cells of the image's shape."""

import numpy as np
import pytest
import torch

from dino_pipeline.dino.core.models.backbone import build_backbone
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
from dino_pipeline.dino.evaluation.sizes import cell_size, fitted, resized


@pytest.mark.parametrize(
    ("height", "width", "size", "patch", "expected"),
    [
        (480, 640, 480, 16, (480, 640)),
        (480, 640, 224, 16, (224, 304)),  # 298.7 is 18.7 patches
        (1000, 100, 96, 8, (960, 96)),
        (30, 30, 100, 16, (96, 96)),
        (30, 30, 3, 16, (16, 16)),
    ],
)
def test_sides_are_whole_patches_of_the_images_shape(
    height: int, width: int, size: int, patch: int, expected: tuple[int, int]
) -> None:
    assert fitted(height, width, size=size, patch=patch) == expected


@pytest.mark.parametrize(
    ("name", "options", "cell"),
    [
        (
            "vit_tiny_patch16_224",
            {"img_size": 16, "patch_size": 8, "embed_dim": 24, "depth": 1, "num_heads": 3},
            8,
        ),
        ("resnet10t", {}, 32),
    ],
)
def test_a_cell_is_what_one_patch_token_stands_for(name, options, cell):
    backbone = build_backbone(BackboneConfig(name=name, options=options, drop_path_rate=0.0)).eval()
    assert cell_size(backbone) == cell
    with torch.no_grad():
        assert backbone.patch_tokens(torch.zeros(1, 3, 2 * cell, 3 * cell)).shape[1:3] == (2, 3)


def test_an_image_of_the_size_asked_for_stays_as_it_is():
    image = np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)
    image.flags.writeable = False  # as Pillow's arrays are
    np.testing.assert_array_equal(resized(image, 6, 8)[0].permute(1, 2, 0), image)
    assert resized(image, 3, 4).shape == (1, 3, 3, 4)
