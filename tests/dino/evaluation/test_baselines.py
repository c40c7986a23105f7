"""Baselines against numpy, Pillow and hand-computed statistics."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import BatchNorm2d

from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
from dino_pipeline.dino.evaluation.baselines import (
    color_histogram,
    histogram_features,
    measure_batch_norm,
    pixel_features,
    random_backbone,
)
from dino_pipeline.dino.features.evaluation_transform import EvaluationDataset, normalise

CPU = torch.device("cpu")
CONVNET = BackboneConfig(name="resnet10t", options={}, drop_path_rate=0.0)


def random_images(size):
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (4, 3, size, size), dtype=torch.uint8, generator=generator)


def test_histogram_equals_numpys_joint_histogram():
    images = random_images(16)
    ours = color_histogram(images, 8)
    for image, histogram in zip(images, ours, strict=True):
        colors = image.flatten(1).T.numpy()
        expected, _ = np.histogramdd(colors, bins=8, range=[(0, 256)] * 3)
        np.testing.assert_allclose(histogram.view(8, 8, 8).numpy(), expected / 256, atol=1e-7)


def test_histogram_bins_are_a_parameter(extract_config):
    features = histogram_features(replace(extract_config.baselines, histogram_bins=3))(random_images(5))
    assert features.embedding.shape == (4, 27)
    torch.testing.assert_close(features.embedding.sum(dim=1), torch.ones(4))


def test_pixels_are_the_normalised_crop_flattened(transform, extract_config):
    images = random_images(16)
    features = pixel_features(transform, extract_config.baselines)(images).embedding
    expected = (images.numpy() / 255 - np.array(transform.mean).reshape(3, 1, 1)) / np.array(
        transform.std
    ).reshape(3, 1, 1)
    np.testing.assert_allclose(features.numpy(), expected.reshape(4, -1), atol=1e-5)


def test_large_crops_are_brought_to_the_pixel_baselines_size(transform, extract_config):
    assert pixel_features(transform, extract_config.baselines)(random_images(48)).embedding.shape == (
        4,
        32 * 32 * 3,
    )


def test_a_random_backbones_batch_norm_has_the_statistics_of_train_images(
    manifest, transform, extract_config
):
    train = manifest.split("train")
    network = random_backbone(CONVNET, train, transform, extract_config, device=CPU)
    first = next(module for module in network.modules() if isinstance(module, BatchNorm2d))
    inputs = []
    first.register_forward_pre_hook(lambda _, args: inputs.append(args[0]))
    rows = np.linspace(0, len(train) - 1, 24).round().astype(int)
    dataset = EvaluationDataset(train, transform)
    crops = torch.stack([dataset[row] for row in rows])
    with torch.no_grad():
        network(normalise(crops, transform.mean, transform.std))
    # batches are of equal size, so the mean of their means is the mean of all
    torch.testing.assert_close(first.running_mean, inputs[0].mean(dim=(0, 2, 3)), atol=1e-5, rtol=1e-4)
    assert not first.training
    assert first.momentum == 0.1


def test_the_random_backbone_is_the_same_for_the_same_seed_and_leaves_the_callers_randomness(
    manifest, transform, extract_config
):
    train = manifest.split("train")
    torch.manual_seed(8)
    expected_draw = torch.rand(1)
    torch.manual_seed(8)
    states = [
        random_backbone(CONVNET, train, transform, extract_config, device=CPU).state_dict() for _ in range(2)
    ]
    assert torch.equal(torch.rand(1), expected_draw)
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_measuring_batch_norm_leaves_weights_alone(manifest, transform, extract_config):
    network = random_backbone(CONVNET, manifest.split("train"), transform, extract_config, device=CPU)
    before = {name: value.clone() for name, value in network.named_parameters()}
    measure_batch_norm(network, manifest.split("val"), transform, extract_config, device=CPU)
    assert all(torch.equal(value, before[name]) for name, value in network.named_parameters())


@pytest.mark.parametrize("channels", [1, 2, 4, 5])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_few_channels_have_a_joint_histogram_and_many_one_each(channels, dtype):
    images = np.random.default_rng(0).integers(0, np.iinfo(dtype).max + 1, (2, channels, 9, 7)).astype(dtype)
    ours = color_histogram(torch.from_numpy(images), 4).numpy()
    for image, histogram in zip(images.reshape(2, channels, -1), ours, strict=True):
        limits = [(0, np.iinfo(dtype).max + 1)] * channels
        if channels <= 3:
            expected = np.histogramdd(image.T, bins=4, range=limits)[0].ravel()
        else:
            expected = np.concatenate([np.histogram(c, bins=4, range=limits[0])[0] for c in image])
        np.testing.assert_allclose(histogram, expected / expected.sum(), atol=1e-6)
