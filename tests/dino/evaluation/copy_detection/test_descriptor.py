"""The descriptor: a feature and a generalised mean, for ViTs and ConvNets."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from dino_pipeline.dino.core.models.backbone import build_backbone
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
from dino_pipeline.dino.evaluation.copy_detection.descriptor import (
    copy_descriptor,
    generalised_mean,
    learn_whitening,
)

VIT = {"img_size": 16, "patch_size": 4, "embed_dim": 24, "depth": 2, "num_heads": 3}


def test_the_generalised_mean_is_the_root_of_the_mean_power_and_counts_negative_entries_as_none():
    tokens = torch.tensor([[[[1.0, -5.0], [2.0, 3.0]], [[3.0, 0.0], [4.0, -1.0]]]])  # [1, 2, 2, 2]
    expected = [((1 + 2**4 + 3**4 + 4**4) / 4) ** 0.25, (3**4 / 4) ** 0.25]
    np.testing.assert_allclose(generalised_mean(tokens, 4.0)[0], expected, rtol=1e-6)
    np.testing.assert_allclose(generalised_mean(tokens, 1.0)[0, 0], 2.5, rtol=1e-6)


@pytest.mark.parametrize(("name", "options"), [("vit_tiny_patch16_224", VIT), ("resnet10t", {})])
@torch.no_grad()
def test_a_feature_is_followed_by_the_mean_of_its_map(name, options):
    torch.manual_seed(0)
    backbone = build_backbone(BackboneConfig(name=name, options=options, drop_path_rate=0.0)).eval()
    images = torch.randn(2, 3, 32, 32)
    found = copy_descriptor(backbone, images, power=4.0)
    dim = backbone.num_features
    assert found.shape == (2, 2 * dim)
    torch.testing.assert_close(found[:, :dim], backbone(images))
    maps = backbone.patch_tokens(images).flatten(1, 2)
    torch.testing.assert_close(
        found[:, dim:], maps.clamp(min=0).pow(4).mean(dim=1).pow(0.25), atol=1e-5, rtol=1e-4
    )


def correlated(num_images, seed):
    random = np.random.default_rng(seed)
    mixing = np.random.default_rng(0).standard_normal((6, 6))
    return random.standard_normal((num_images, 6)) @ mixing + 3


def test_other_images_are_whitened_as_by_scikit_learn():
    learned_on, others = correlated(80, 1), correlated(20, 2)
    whitening = learn_whitening(torch.from_numpy(learned_on), eigenvalue_floor=1e-9)
    found = whitening(torch.from_numpy(others)).numpy()
    expected = PCA(whiten=True).fit(learned_on).transform(others)
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-9)
    np.testing.assert_allclose(found @ found.T, expected @ expected.T, atol=1e-9)


def test_what_it_was_learned_on_becomes_uncorrelated_with_variance_one():
    images = torch.from_numpy(correlated(50, 3))
    whitened = learn_whitening(images, eigenvalue_floor=1e-9)(images).numpy()
    np.testing.assert_allclose(np.cov(whitened.T), np.eye(6), atol=1e-9)


def test_a_direction_in_which_images_hardly_differ_is_not_blown_up():
    images = torch.tensor([[10.0, 0.0], [-10.0, 0.0], [0.0, 1e-6], [0.0, -1e-6]])
    whitening = learn_whitening(images, eigenvalue_floor=0.01)
    largest = np.sqrt(200 / 3)  # the standard deviation of the first coordinate
    np.testing.assert_allclose(whitening(torch.tensor([[1.0, 0.0]])).abs(), [[1 / largest, 0]], atol=1e-9)
    np.testing.assert_allclose(whitening(torch.tensor([[0.0, 1.0]])).abs(), [[0, 10 / largest]], atol=1e-9)
