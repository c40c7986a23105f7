"""The ViT against the reference's features, attention and resampled position embeddings."""

from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.lib.npyio import NpzFile
from torch.utils.flop_counter import FlopCounterMode

from dino_pipeline.dino.core.models.backbone import build_backbone
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
from dino_pipeline.dino.core.models.backbones.vision_transformer import (
    ViTBackbone,
    interpolate_position_embedding,
)
from dino_pipeline.dino.core.models.drop_path import address_drop_paths


def reference_vit(numbers: NpzFile) -> ViTBackbone:
    options = {
        "img_size": int(numbers["image_size"]),
        "patch_size": int(numbers["patch_size"]),
        "embed_dim": int(numbers["embed_dim"]),
        "depth": int(numbers["depth"]),
        "num_heads": int(numbers["num_heads"]),
    }
    backbone = build_backbone(
        BackboneConfig(name="vit_tiny_patch16_224", options=options, drop_path_rate=0.0)
    )
    assert isinstance(backbone, ViTBackbone)
    weights = {
        k.removeprefix("weight/"): torch.from_numpy(numbers[k])
        for k in numbers.files
        if k.startswith("weight/")
    }
    backbone.double().model.load_state_dict(weights)
    return backbone.eval()


@pytest.mark.golden
@pytest.mark.parametrize("matmul_attention", [False, True])
def test_features_and_attention_are_the_references(golden: Path, matmul_attention: bool) -> None:
    numbers = np.load(golden / "vit.npz")
    backbone = reference_vit(numbers)
    if matmul_attention:
        backbone.use_matmul_attention()
    images = torch.from_numpy(numbers["images"])
    with torch.inference_mode():
        np.testing.assert_allclose(backbone(images), numbers["cls_feature"], atol=1e-9)
        np.testing.assert_allclose(backbone.attention(images), numbers["last_attention"], atol=1e-9)
        two_blocks = backbone.last_blocks(images, num_blocks=2, average_patches=True)
        patches = backbone.patch_tokens(images)
    before, last = numbers["layer_minus2"], numbers["layer_minus1"]
    expected = np.concatenate([before[:, 0], last[:, 0], last[:, 1:].mean(axis=1)], axis=-1)
    np.testing.assert_allclose(two_blocks, expected, atol=1e-9)
    np.testing.assert_allclose(patches.flatten(1, 2), last[:, 1:], atol=1e-9)


@pytest.mark.golden
def test_other_image_sizes_give_the_references_numbers(golden: Path) -> None:
    numbers = np.load(golden / "vit_resized.npz")
    backbone = reference_vit(numbers)
    patch = int(numbers["patch_size"])
    sizes = [name.removeprefix("images_") for name in numbers.files if name.startswith("images_")]
    assert sizes
    for size in sizes:
        images = torch.from_numpy(numbers[f"images_{size}"])
        grid = images.shape[-2] // patch, images.shape[-1] // patch
        with torch.inference_mode():
            resampled = interpolate_position_embedding(backbone.model.pos_embed, *grid)
            np.testing.assert_allclose(resampled, numbers[f"pos_embed_{size}"], atol=1e-9)
            np.testing.assert_allclose(backbone(images), numbers[f"cls_feature_{size}"], atol=1e-9)
            np.testing.assert_allclose(
                backbone.attention(images), numbers[f"last_attention_{size}"], atol=1e-9
            )


def test_native_size_keeps_the_embedding_itself() -> None:
    embedding = torch.randn(1, 17, 8)
    assert interpolate_position_embedding(embedding, 4, 4) is embedding


def test_an_unknown_name_is_refused_with_the_nearest_ones() -> None:
    with pytest.raises(ValueError, match=r"vit_smal_patch16_224.*vit_small_patch16_224"):
        build_backbone(BackboneConfig(name="vit_smal_patch16_224", options={}, drop_path_rate=0.0))


def test_options_that_do_not_fit_are_refused_by_name() -> None:
    with pytest.raises(ValueError, match="num_wheels"):
        build_backbone(BackboneConfig(name="resnet18", options={"num_wheels": 4}, drop_path_rate=0.0))


def test_a_convnet_gives_its_pooled_feature_and_its_last_map() -> None:
    backbone = build_backbone(BackboneConfig(name="resnet18", options={}, drop_path_rate=0.0)).eval()
    images = torch.randn(2, 3, 64, 96)
    with torch.inference_mode():
        pooled, maps = backbone(images), backbone.patch_tokens(images)
    assert maps.shape == (2, 2, 3, 512)
    torch.testing.assert_close(maps.mean(dim=(1, 2)), pooled)


@pytest.mark.parametrize("no_embed_class", [True, False])
def test_registers_are_tokens_that_no_feature_shows(no_embed_class: bool) -> None:
    options = {"img_size": 16, "patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 3, "reg_tokens": 4}
    config = BackboneConfig(
        name="vit_tiny_patch16_224", options=options | {"no_embed_class": no_embed_class}, drop_path_rate=0.0
    )
    backbone = build_backbone(config).eval()
    images = torch.randn(2, 3, 16, 16)
    with torch.inference_mode():
        # At the native size timm's own forward is the independent answer.
        torch.testing.assert_close(backbone(images), backbone.model(images))
        assert backbone.attention(images).shape == (2, 3, 9, 9)  # [CLS], four registers, four patches
        assert backbone.patch_tokens(torch.randn(2, 3, 24, 32)).shape == (2, 3, 4, 24)


def test_checkpointing_and_stochastic_depth_give_the_same_gradients() -> None:
    options = {"img_size": 16, "patch_size": 8, "embed_dim": 24, "depth": 3, "num_heads": 3}
    backbone = build_backbone(
        BackboneConfig(name="vit_tiny_patch16_224", options=options, drop_path_rate=0.5)
    ).double()
    drop_paths = address_drop_paths(backbone)
    images = [torch.randn(size, 3, 16, 16, dtype=torch.float64) for size in (6, 4)]

    def gradients() -> list[torch.Tensor]:
        backbone.zero_grad()
        total = torch.zeros((), dtype=torch.float64)
        for number, batch in enumerate(images):  # other samples are dropped in the second pass
            generator = torch.Generator().manual_seed(number)
            for drop_path in drop_paths:
                drop_path.keep(torch.rand(len(batch), generator=generator) > 0.5, torch.device("cpu"))
            total = total + backbone(batch).square().sum()
        total.backward()
        return [p.grad.clone() for p in backbone.parameters() if p.grad is not None]

    plain = gradients()
    backbone.use_checkpointing()
    for a, b in zip(gradients(), plain, strict=True):
        torch.testing.assert_close(a, b, atol=1e-12, rtol=0)


@pytest.mark.parametrize("is_checkpointing", [False, True])
def test_the_last_mlp_runs_for_cls_alone_and_gives_the_gradients_of_all_tokens(
    is_checkpointing: bool,
) -> None:
    options = {"img_size": 32, "embed_dim": 24, "depth": 2, "num_heads": 3}
    config = BackboneConfig(name="vit_tiny_patch16_224", options=options, drop_path_rate=0.5)
    backbone = build_backbone(config).double().train()
    assert isinstance(backbone, ViTBackbone)
    if is_checkpointing:
        backbone.use_checkpointing()
    for drop_path in address_drop_paths(backbone):
        drop_path.keep(torch.tensor([True, False, True]), torch.device("cpu"))
    images = torch.randn(3, 3, 32, 32, dtype=torch.float64)
    num_flops, gradients = [], []
    for feature in (lambda: backbone(images), lambda: backbone._blocks(images, num_last=1)[-1][:, 0]):
        backbone.zero_grad()
        with FlopCounterMode(display=False) as counter:
            value = feature()
        value.square().sum().backward()
        num_flops.append(counter.get_total_flops())
        gradients.append([p.grad.clone() for p in backbone.parameters() if p.grad is not None])
    torch.testing.assert_close(gradients[0], gradients[1])
    # Two products of 24 x 96 for four patches of the two images that keep the branch.
    assert num_flops[1] - num_flops[0] == 2 * (2 * 24 * 96) * 4 * 2
