"""Stochastic depth by address."""

import pytest
import torch
from timm.layers import DropPath

from dino_pipeline.dino.core.models.backbone import build_backbone
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
from dino_pipeline.dino.core.models.drop_path import (
    AddressedDropPath,
    add_residual,
    address_drop_paths,
    keep_masks,
)


def vit(rate: float) -> torch.nn.Module:
    options = {"img_size": 16, "patch_size": 8, "embed_dim": 24, "depth": 3, "num_heads": 3}
    return build_backbone(BackboneConfig(name="vit_tiny_patch16_224", options=options, drop_path_rate=rate))


def masks(batch: range, *, step: int = 5) -> torch.Tensor:
    drop_paths = [AddressedDropPath(p) for p in (0.25, 0.5)]
    return keep_masks(drop_paths, seed=1, step=step, num_crops=3, batch=batch, batch_size=1000)


def test_rates_rise_linearly_over_the_blocks_as_in_the_paper() -> None:
    backbone = vit(0.2)
    replaced = address_drop_paths(backbone)
    # the first block drops none
    assert [d.drop_probability for d in replaced] == pytest.approx([0.1, 0.1, 0.2, 0.2])
    assert not any(isinstance(module, DropPath) for module in backbone.modules())


def test_masks_keep_the_expected_share() -> None:
    drawn = masks(range(1000))
    assert drawn.shape == (2, 3, 1000)
    assert drawn.dtype == torch.bool
    for mask, probability in zip(drawn, (0.25, 0.5), strict=True):
        assert mask.float().mean().item() == pytest.approx(1 - probability, abs=0.03)


def test_a_process_draws_its_columns_of_the_whole_batch() -> None:
    assert torch.equal(masks(range(200, 300)), masks(range(1000))[:, :, 200:300])
    assert not torch.equal(masks(range(1000), step=6), masks(range(1000)))


def test_a_dropped_sample_leaves_the_branch_at_zero_and_evaluation_drops_nothing() -> None:
    drop_path = AddressedDropPath(0.5)
    drop_path.keep(torch.tensor([False, True]), torch.device("cpu"))
    x = torch.ones(2, 3, 4)
    assert torch.equal(drop_path(x), torch.stack([torch.zeros(3, 4), torch.full((3, 4), 2.0)]))
    assert torch.equal(drop_path.eval()(x), x)


def test_computing_kept_samples_only_is_masking_all_of_them() -> None:
    torch.manual_seed(0)
    layer = torch.nn.Linear(4, 4).double()
    x = torch.randn(6, 3, 4, dtype=torch.float64)
    drop_path = AddressedDropPath(0.25)
    drop_path.keep(torch.tensor([True, False, True, True, False, True]), torch.device("cpu"))
    subset, masked = x.clone().requires_grad_(), x.clone().requires_grad_()
    add_residual(subset, layer, drop_path.kept).square().sum().backward()
    (masked + drop_path(layer(masked))).square().sum().backward()
    torch.testing.assert_close(add_residual(x, layer, drop_path.kept), x + drop_path(layer(x)))
    torch.testing.assert_close(subset.grad, masked.grad)
    assert torch.equal(add_residual(x, layer, None), x + layer(x))
