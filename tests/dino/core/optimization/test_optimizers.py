"""Which parameters are decayed, and by how much."""

from dataclasses import replace

import torch
from torch import nn

from dino_pipeline.dino.core.optimization.config import OptimizerConfig
from dino_pipeline.dino.core.optimization.optimizers import build_optimizer, parameter_groups, set_scheduled


def adamw() -> OptimizerConfig:
    return OptimizerConfig(
        name="adamw",
        betas=(0.9, 0.999),
        momentum=0.9,
        clip_gradient_norm=0.0,
        freeze_last_layer_fraction=0.0,
        freeze_backbone_fraction=0.0,
        backbone_learning_rate_scale=1.0,
    )


def test_biases_and_vectors_are_not_decayed_and_frozen_ones_are_left_out() -> None:
    network = nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3), nn.Linear(3, 1).requires_grad_(False))
    decayed, plain = parameter_groups(network)
    assert [p.shape for p in decayed["params"]] == [(3, 2)]
    assert [p.shape for p in plain["params"]] == [(3,), (3,), (3,)]


def test_weight_decay_schedule_reaches_only_the_decayed_group() -> None:
    optimizer = build_optimizer(adamw(), nn.Linear(2, 3))
    set_scheduled(optimizer, learning_rate=0.5, backbone_learning_rate=0.1, weight_decay=0.3)
    assert [(g["lr"], g["weight_decay"]) for g in optimizer.param_groups] == [(0.5, 0.3), (0.5, 0.0)]


def test_the_backbone_has_a_learning_rate_of_its_own() -> None:
    network = nn.ModuleDict({"backbone": nn.Linear(2, 3), "head": nn.Linear(3, 4)})
    optimizer = build_optimizer(adamw(), network)
    set_scheduled(optimizer, learning_rate=0.5, backbone_learning_rate=0.1, weight_decay=0.3)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert {rates[id(p)] for p in network["backbone"].parameters()} == {0.1}
    assert {rates[id(p)] for p in network["head"].parameters()} == {0.5}


def test_a_parameter_without_gradient_is_not_even_decayed() -> None:
    layer = nn.Linear(2, 3)
    before = layer.weight.detach().clone()
    optimizer = build_optimizer(adamw(), layer)
    set_scheduled(optimizer, learning_rate=0.5, backbone_learning_rate=0.1, weight_decay=0.3)
    layer.bias.grad = torch.ones(3)
    optimizer.step()
    assert torch.equal(layer.weight, before)


def test_lars_scales_each_decayed_tensor_by_its_trust_ratio_and_leaves_biases_to_sgd() -> None:
    torch.manual_seed(0)
    layer = nn.Linear(3, 2).double()
    optimizer = build_optimizer(replace(adamw(), name="lars"), layer)
    set_scheduled(optimizer, learning_rate=0.3, backbone_learning_rate=0.1, weight_decay=1e-2)
    expected = {name: p.detach().clone() for name, p in layer.named_parameters()}
    buffers = {name: torch.zeros_like(p) for name, p in expected.items()}
    for seed in range(3):
        torch.manual_seed(seed)
        gradients = {name: torch.randn_like(p) for name, p in expected.items()}
        for name, p in layer.named_parameters():
            p.grad = gradients[name].clone()
        optimizer.step()
        # arXiv:1708.03888, equation 6, with eta 0.001, for weights only
        for name, p in expected.items():
            update = gradients[name]
            if name == "weight":
                trust_ratio = 0.001 * p.norm() / (update.norm() + 1e-2 * p.norm())
                update = trust_ratio * (update + 1e-2 * p)
            buffers[name] = 0.9 * buffers[name] + update
            expected[name] = p - 0.3 * buffers[name]
    for name, p in layer.named_parameters():
        torch.testing.assert_close(p.detach(), expected[name], rtol=1e-6, atol=0)
