"""What reaches the step: the loader's batches in their order, as floats, wherever they are augmented."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dino_pipeline.dino.core.batches import DeviceBatch, DeviceBatches, ToFloats
from dino_pipeline.dino.core.data.dataset import MultiCropDataset, ReplacingDataset, ShuffledBatches
from dino_pipeline.dino.core.data.loader import build_loader
from dino_pipeline.dino.core.data.manifest import read_manifest
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from tests.dino.conftest import MakeSpec

DEVICE = torch.device("cuda" if torch.cuda.is_available() else "cpu")


def device_batches(
    config: PretrainConfig, manifest: Path, *, augment_on_device: bool, num_workers: int = 0
) -> list[DeviceBatch]:
    images = read_manifest(manifest, manifest.parent).split("train")
    dataset = MultiCropDataset(
        images, config.images, config.multi_crop, seed=config.seed, augment_on_device=augment_on_device
    )
    batches = ShuffledBatches(
        num_images=len(images), batch_size=8, part=range(8), seed=config.seed, first_step=0, num_steps=3
    )
    loader = build_loader(
        ReplacingDataset(dataset), batches, num_workers=num_workers, pin_memory=DEVICE.type == "cuda"
    )
    return list(DeviceBatches(loader, ToFloats(config, DEVICE, compiled=False)))


@pytest.fixture
def config(make_spec: MakeSpec, tmp_path: Path) -> PretrainConfig:
    return make_spec(tmp_path).pretrain


def test_pixels_become_normalised_floats_in_the_order_of_the_loader(
    config: PretrainConfig, tiny_manifest: Path
) -> None:
    shown = device_batches(config, tiny_manifest, augment_on_device=False)
    assert len(shown) == 3
    images = read_manifest(tiny_manifest, tiny_manifest.parent).split("train")
    dataset = MultiCropDataset(
        images, config.images, config.multi_crop, seed=config.seed, augment_on_device=False
    )
    order = ShuffledBatches(
        num_images=len(images), batch_size=8, part=range(8), seed=config.seed, first_step=0, num_steps=3
    )
    for batch, addresses in zip(shown, order, strict=True):
        assert batch.global_crops.shape == (2, 8, 3, 16, 16)
        assert batch.local_crops.shape == (2, 8, 3, 8, 8)
        assert batch.waited > 0
        for index, address in enumerate(addresses):
            crop = dataset[address].local_crops[1]
            expected = (crop.transpose(2, 0, 1) / 255 - 0.5) / 0.25
            np.testing.assert_allclose(batch.local_crops[1, index].cpu(), expected)


def test_augmented_on_the_device_they_differ_by_rounding(config: PretrainConfig, tiny_manifest: Path) -> None:
    here, there = (device_batches(config, tiny_manifest, augment_on_device=on) for on in (False, True))
    still = replace(
        config.multi_crop.local,
        flip_probability=0.0,
        jitter_probability=0.0,
        grayscale_probability=0.0,
        blur_probability=0.0,
        solarize_probability=0.0,
    )
    without = replace(config.multi_crop, global_1=still, global_2=still, local=still)
    untouched = device_batches(replace(config, multi_crop=without), tiny_manifest, augment_on_device=True)
    level = 1 / 255 / 0.25
    for ours, theirs, plain in zip(here, there, untouched, strict=True):
        for kind in ("global_crops", "local_crops"):
            pixels = getattr(ours, kind)
            assert (pixels - getattr(theirs, kind)).abs().mean() < 0.6 * level
            assert (pixels - getattr(plain, kind)).abs().mean() > 20 * level  # without augmentation


def test_loader_workers_hand_over_what_was_drawn(config: PretrainConfig, tiny_manifest: Path) -> None:
    alone, beside = (
        device_batches(config, tiny_manifest, augment_on_device=True, num_workers=workers)
        for workers in (0, 2)
    )
    for one, other in zip(alone, beside, strict=True):
        assert torch.equal(one.global_crops, other.global_crops)
        assert torch.equal(one.local_crops, other.local_crops)


def test_without_local_crops_there_is_nothing_to_augment(config: PretrainConfig, tiny_manifest: Path) -> None:
    config = replace(config, multi_crop=replace(config.multi_crop, num_local_crops=0))
    batch = device_batches(config, tiny_manifest, augment_on_device=True)[0]
    assert batch.local_crops.shape == (0, 8, 3, 8, 8)
