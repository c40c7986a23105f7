"""Foreground masks have the image's own size and hold the patches that the rule says."""

from pathlib import Path

import numpy as np
import pytest
import torch

from dino_pipeline.dino.core.data.images_config import PixelStatistics
from dino_pipeline.dino.evaluation.attention import class_attention, most_attended
from dino_pipeline.dino.evaluation.sizes import resized
from dino_pipeline.dino.features.evaluation_transform import normalise
from dino_pipeline.dino.weights.published import load_backbone
from dino_pipeline.inference.attend import foreground_masks, mask_name
from tests.published import publish

HALF = PixelStatistics(mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
IMAGE = np.random.default_rng(0).integers(0, 256, (45, 83, 3), dtype=np.uint8)


def test_each_rule_holds_its_patches(published_model: Path) -> None:
    vit = load_backbone(published_model)
    attention = class_attention(vit, normalise(resized(IMAGE, 48, 88), *HALF))[0]
    expected = {
        "mean": {"": most_attended(attention.mean(dim=0), 0.4)},
        "union": {"": most_attended(attention, 0.4).any(dim=0)},
        "heads": {f"head_{i + 1}": most_attended(attention[i], 0.4) for i in range(3)},
    }
    rows, columns = torch.arange(45) * 6 // 45, torch.arange(83) * 11 // 83  # nearest of 6x11 patches
    for rule, kept in expected.items():
        found = foreground_masks(vit, IMAGE, rule=rule, size=48, mass=0.4, statistics=HALF)  # type: ignore[arg-type]
        assert found.keys() == kept.keys()
        for name, mask in found.items():
            assert mask.mode == "1"
            np.testing.assert_array_equal(np.asarray(mask), kept[name][rows[:, None], columns])


def test_a_convnet_has_none(tmp_path: Path) -> None:
    folder = publish(tmp_path / "net", {"name": "resnet10t", "options": {}, "drop_path_rate": 0.0})
    with pytest.raises(ValueError, match="--masks needs a ViT"):
        foreground_masks(load_backbone(folder), IMAGE, rule="mean", size=64, mass=0.6, statistics=HALF)


def test_images_that_differ_in_suffix_alone_have_two_masks() -> None:
    assert mask_name("deep/cat.jpg", set()) == "deep/cat.png"
    assert mask_name("deep/cat.webp", {"deep/cat.png"}) == "deep/cat.webp.png"
