"""Attention maps and principal colours against their definitions."""

import numpy as np
import pytest
import torch

from dino_pipeline.dino.core.models.backbone import build_backbone
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
from dino_pipeline.dino.evaluation.attention import (
    class_attention,
    feature_colors,
    most_attended,
    principal_colors,
)

OPTIONS = {"img_size": 16, "patch_size": 4, "embed_dim": 24, "depth": 2, "num_heads": 3}
VIT = BackboneConfig(name="vit_tiny_patch16_224", options=OPTIONS, drop_path_rate=0.0)


def test_class_attention_is_row_zero_of_the_last_block_laid_out_as_the_image():
    vit = build_backbone(VIT).eval()
    images = torch.randn(2, 3, 16, 24)
    attention = class_attention(vit, images)
    assert attention.shape == (2, 3, 4, 6)
    with torch.no_grad():
        whole = vit.attention(images)
    torch.testing.assert_close(attention[1, 2, 3, 5], whole[1, 2, 0, 1 + 3 * 6 + 5])
    torch.testing.assert_close(attention.sum(dim=(2, 3)) + whole[:, :, 0, 0], torch.ones(2, 3))


def test_principal_colors_are_the_stretched_scores_of_numpys_svd():
    tokens = np.random.default_rng(0).normal(size=(2, 4, 5, 7)) * np.arange(1, 8)
    flat = tokens.reshape(-1, 7) - tokens.reshape(-1, 7).mean(axis=0)
    left, values, axes = np.linalg.svd(flat, full_matrices=False)
    signs = np.sign(axes[np.arange(3), np.abs(axes[:3]).argmax(axis=1)])
    scores = left[:, :3] * values[:3] * signs
    expected = (scores - scores.min(axis=0)) / (scores.max(axis=0) - scores.min(axis=0))
    ours = principal_colors(torch.from_numpy(tokens)).numpy()
    np.testing.assert_allclose(ours.reshape(-1, 3), expected, atol=1e-5)


def test_a_convnet_gets_colours_of_its_feature_map():
    convnet = build_backbone(BackboneConfig(name="resnet10t", options={}, drop_path_rate=0.0)).eval()
    colors = feature_colors(convnet, torch.randn(2, 3, 64, 96))
    assert colors.shape == (2, 2, 3, 3)
    assert colors.min() >= 0
    assert colors.max() <= 1


@pytest.mark.golden
@pytest.mark.parametrize("percent", [60, 90])
def test_most_attended_patches_are_the_references(golden, percent):
    numbers = np.load(golden / "attention_threshold.npz")
    mask = most_attended(torch.from_numpy(numbers["attention"]), percent / 100)
    np.testing.assert_array_equal(mask.numpy(), numbers[f"mask_keep_{percent}_percent"])


def test_most_attended_patches_hold_the_mass_and_no_patch_is_spare():
    attention = torch.rand(2, 3, 5, 7, generator=torch.Generator().manual_seed(0)).double()
    mask = most_attended(attention, 0.7)
    held = (attention * mask).sum((-2, -1)) / attention.sum((-2, -1))
    assert (held >= 0.7).all()
    least = torch.where(mask, attention, torch.inf).amin((-2, -1)) / attention.sum((-2, -1))
    assert (held - least < 0.7).all()
    assert most_attended(attention, 1.0).all()


def test_class_attention_leaves_registers_out():
    config = BackboneConfig(name=VIT.name, options={**OPTIONS, "reg_tokens": 2}, drop_path_rate=0.0)
    vit = build_backbone(config).eval()
    images = torch.randn(1, 3, 16, 24)
    with torch.no_grad():
        whole = vit.attention(images)
    torch.testing.assert_close(class_attention(vit, images).flatten(2), whole[:, :, 0, 3:])


def test_an_xcit_gets_colours_of_its_patches():
    options = {"img_size": 32, "patch_size": 16, "embed_dim": 32, "depth": 1, "num_heads": 2}
    config = BackboneConfig(name="xcit_nano_12_p16_224", options=options, drop_path_rate=0.0)
    assert feature_colors(build_backbone(config).eval(), torch.randn(1, 3, 64, 96)).shape == (1, 4, 6, 3)


def test_only_the_rows_that_are_asked_for_are_computed(monkeypatch):
    vit = build_backbone(VIT).eval()
    images = torch.randn(2, 3, 16, 24)
    with torch.no_grad():
        whole = vit.attention(images)
        torch.testing.assert_close(vit.attention(images, num_rows=2), whole[:, :, :2])
    asked = []
    attention = vit.attention
    monkeypatch.setattr(
        vit, "attention", lambda *given, **named: asked.append(attention(*given, **named)) or asked[0]
    )
    class_attention(vit, images)
    assert asked[0].shape == (2, 3, 1, 25), "[CLS]'s row alone: a matrix of all tokens fills the memory"
