"""A skipped step leaves no trace; a taken one is what it would be without the possibility."""

import copy

import pytest
import torch
from torch import nn

from dino_pipeline.dino.core.optimization.config import OptimizerConfig
from dino_pipeline.dino.core.optimization.optimizers import build_optimizer, set_scheduled
from dino_pipeline.dino.core.optimization.skipping import not_finite_anywhere, step_unless

NAN = float("nan")
WITHOUT_SCALER = torch.amp.GradScaler("cpu", enabled=False)


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.backbone = nn.Linear(3, 4)
        self.head = nn.Linear(4, 2)


def optimizer_of(network: nn.Module, name: str) -> torch.optim.Optimizer:
    config = OptimizerConfig(
        name=name,
        betas=(0.9, 0.999),
        momentum=0.9,
        clip_gradient_norm=0.0,
        freeze_last_layer_fraction=0.0,
        freeze_backbone_fraction=0.0,
        backbone_learning_rate_scale=1.0,
    )
    optimizer = build_optimizer(config, network)
    set_scheduled(optimizer, learning_rate=0.1, backbone_learning_rate=0.1, weight_decay=0.04)
    return optimizer


def set_gradients(network: nn.Module, value: float) -> None:
    for parameter in network.parameters():
        parameter.grad = torch.full_like(parameter, value)


def moments(optimizer: torch.optim.Optimizer) -> list[torch.Tensor]:
    return [v for state in optimizer.state.values() for v in state.values() if isinstance(v, torch.Tensor)]


@pytest.mark.parametrize("name", ["adamw", "sgd", "lars"])
def test_a_skipped_step_changes_neither_weights_nor_moments(name: str) -> None:
    network = Network()
    optimizer = optimizer_of(network, name)
    set_gradients(network, 0.5)
    step_unless(torch.tensor(False), optimizer, WITHOUT_SCALER)
    before = copy.deepcopy([*network.parameters(), *moments(optimizer)])
    set_gradients(network, NAN)
    step_unless(torch.tensor(True), optimizer, WITHOUT_SCALER)
    after = [*network.parameters(), *moments(optimizer)]
    assert len(before) > len(list(network.parameters()))
    assert all(torch.equal(one, other) for one, other in zip(before, after, strict=True))


@pytest.mark.parametrize("name", ["adamw", "sgd", "lars"])
def test_steps_around_a_skipped_one_are_those_without_it(name: str) -> None:
    with_skip, plain = Network(), Network()
    skipping, stepping = optimizer_of(with_skip, name), optimizer_of(plain, name)
    for value in (NAN, 0.5, NAN, -0.2):  # the very first, too
        set_gradients(with_skip, value)
        step_unless(torch.tensor(value != value), skipping, WITHOUT_SCALER)
        if value == value:
            set_gradients(plain, value)
            stepping.step()
    for one, other in zip(with_skip.parameters(), plain.parameters(), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize(
    ("values", "bad"), [((1.0, 2.0), False), ((NAN, 2.0), True), ((1.0, float("inf")), True)]
)
def test_any_number_that_is_not_finite_is_found(values: tuple[float, float], bad: bool) -> None:
    assert not_finite_anywhere(*map(torch.tensor, values)).item() is bad
