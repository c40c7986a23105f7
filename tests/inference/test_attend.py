"""Pictures have the image's own shape, and show what the library computed."""

from pathlib import Path

import numpy as np
import torch

from dino_pipeline.dino.core.data.images_config import PixelStatistics
from dino_pipeline.dino.evaluation.attention import class_attention, most_attended
from dino_pipeline.dino.features.evaluation_transform import normalise
from dino_pipeline.dino.weights.published import load_backbone
from dino_pipeline.inference.attend import overview, pictures
from tests.published import publish

HALF = PixelStatistics(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
IMAGE = np.random.default_rng(0).integers(0, 256, (48, 80, 3), dtype=np.uint8)


def test_masks_show_the_patches_that_hold_the_attention(published_model: Path) -> None:
    vit = load_backbone(published_model)
    drawn = pictures(vit, IMAGE, size=48, mass=0.6, statistics=HALF)
    assert list(drawn) == [
        "image",
        "head_1_attention",
        "head_1_mask",
        "head_2_attention",
        "head_2_mask",
        "head_3_attention",
        "head_3_mask",
        "mean_attention",
        "features",
    ]
    assert {picture.size for picture in drawn.values()} == {(80, 48)}
    np.testing.assert_array_equal(np.asarray(drawn["image"]), IMAGE)
    inputs = normalise(torch.from_numpy(IMAGE).permute(2, 0, 1)[None], *HALF)
    kept = most_attended(class_attention(vit, inputs), 0.6)[0, 1].numpy().repeat(8, axis=0).repeat(8, axis=1)
    shown = np.asarray(drawn["head_2_mask"])
    np.testing.assert_array_equal(shown[kept], IMAGE[kept])
    assert (np.ptp(shown[~kept], axis=-1) == 0).all(), "grey where the head does not look"


def test_the_overview_puts_masks_below_their_heads(published_model: Path) -> None:
    drawn = pictures(load_backbone(published_model), IMAGE, size=48, mass=0.6, statistics=HALF)
    sheet = overview(drawn)
    assert sheet.size == (80 * 6, 48 * 2)
    assert sheet.crop((160, 48, 240, 96)).tobytes() == drawn["head_2_mask"].tobytes()


def test_a_convnet_shows_its_features(tmp_path: Path) -> None:
    folder = publish(tmp_path / "net", {"name": "resnet10t", "options": {}, "drop_path_rate": 0.0})
    drawn = pictures(load_backbone(folder), IMAGE, size=64, mass=0.6, statistics=HALF)
    assert list(drawn) == ["image", "features"]
    assert drawn["features"].size == (96, 64)
