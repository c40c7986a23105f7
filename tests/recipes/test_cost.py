"""Counted FLOPs and parameters against formulas."""

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.recipes.cost import training_cost

CONF = Path(__file__).parents[2] / "conf"
DIM, DEPTH, PATCH = 32, 3, 4


@pytest.fixture
def config() -> PretrainConfig:
    values = yaml.safe_load((CONF / "base" / "parameters_pretrain.yml").read_text())["pretrain"]
    values["backbone"]["options"] = {
        "img_size": 16,
        "patch_size": PATCH,
        "embed_dim": DIM,
        "depth": DEPTH,
        "num_heads": 2,
    }
    values["projection_head"] |= {
        "num_prototypes": 64,
        "hidden_dim": 48,
        "bottleneck_dim": 24,
        "batch_norm": False,
    }
    values["multi_crop"] |= {"global_crop_size": 16, "local_crop_size": 8, "num_local_crops": 3}
    return from_dict(PretrainConfig, values)


def vit_flops(size: int) -> tuple[int, int]:
    """Two FLOPs a multiplication: of the blocks, and of the patch embedding."""
    patches = (size // PATCH) ** 2
    tokens = patches + 1
    blocks = DEPTH * 2 * (12 * tokens * DIM**2 + 2 * tokens**2 * DIM)
    blocks -= 2 * 8 * patches * DIM**2  # the last MLP is of [CLS] alone
    return blocks, 2 * patches * 3 * PATCH**2 * DIM


def test_flops_are_those_of_the_formula(config: PretrainConfig) -> None:
    head = 2 * (DIM * 48 + 48 * 48 + 48 * 24 + 24 * 64)
    expected = 0
    for size, student, teacher in ((16, 2, 2), (8, 3, 0)):
        blocks, patches = vit_flops(size)
        # backward is twice forward, but no gradient of the pixels is asked for
        expected += (3 * student + teacher) * (blocks + head) + (2 * student + teacher) * patches
    assert training_cost(config).flops_per_image == pytest.approx(expected, rel=0.02)


def test_parameters_and_memory_are_counted(config: PretrainConfig) -> None:
    cost = training_cost(config)
    head = (DIM * 48 + 48) + (48 * 48 + 48) + (48 * 24 + 24) + 24 * 64 + 64
    assert cost.head_parameters == head
    assert cost.state_bytes == 20 * (cost.backbone_parameters + head)
    assert cost.memory_bytes(10) == cost.state_bytes + 10 * cost.bytes_per_image
    # at the least, the prototype scores of five crops are kept for the backward pass
    assert cost.bytes_per_image > 5 * 64 * 4
    assert training_cost(replace(config, precision="bf16")).bytes_per_image < cost.bytes_per_image


def test_the_published_vit_has_its_published_size(config: PretrainConfig) -> None:
    options = {"img_size": 224, "patch_size": 16, "embed_dim": 384, "depth": 12, "num_heads": 6}
    vit_small = replace(config.backbone, name="vit_small_patch16_224", options=options)
    crops = replace(config.multi_crop, global_crop_size=224, local_crop_size=96)
    cost = training_cost(replace(config, backbone=vit_small, multi_crop=crops))
    assert cost.backbone_parameters == 21_665_664
