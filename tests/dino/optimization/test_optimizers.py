"""Which parameters are decayed, and by how much."""

import torch
from torch import nn

from dino_pipeline.dino.optimization.config import OptimizerConfig
from dino_pipeline.dino.optimization.optimizers import build_optimizer, parameter_groups, set_scheduled


def adamw() -> OptimizerConfig:
    return OptimizerConfig(
        name="adamw", betas=(0.9, 0.999), momentum=0.9, clip_gradient_norm=0.0, freeze_last_layer_fraction=0.0
    )


def test_biases_and_vectors_are_not_decayed_and_frozen_ones_are_left_out() -> None:
    network = nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3), nn.Linear(3, 1).requires_grad_(False))
    decayed, plain = parameter_groups(network)
    assert [p.shape for p in decayed["params"]] == [(3, 2)]
    assert [p.shape for p in plain["params"]] == [(3,), (3,), (3,)]


def test_weight_decay_schedule_reaches_only_the_decayed_group() -> None:
    optimizer = build_optimizer(adamw(), nn.Linear(2, 3))
    set_scheduled(optimizer, learning_rate=0.5, weight_decay=0.3)
    assert [(g["lr"], g["weight_decay"]) for g in optimizer.param_groups] == [(0.5, 0.3), (0.5, 0.0)]


def test_a_parameter_without_gradient_is_not_even_decayed() -> None:
    layer = nn.Linear(2, 3)
    before = layer.weight.detach().clone()
    optimizer = build_optimizer(adamw(), layer)
    set_scheduled(optimizer, learning_rate=0.5, weight_decay=0.3)
    layer.bias.grad = torch.ones(3)
    optimizer.step()
    assert torch.equal(layer.weight, before)
