"""Optimizers with parameter groups: with and without weight decay, for the backbone and for the head."""

from typing import Any

import torch
from timm.optim import Lars
from torch import nn
from torch.optim import SGD, AdamW, Optimizer

from dino_pipeline.dino.core.optimization.config import OptimizerConfig


def build_optimizer(config: OptimizerConfig, *networks: nn.Module) -> Optimizer:
    """Build an optimizer for networks. `set_scheduled` sets its learning rate and weight decay before each step."""
    groups = parameter_groups(*networks)
    if config.name == "adamw":
        return AdamW(groups, lr=0.0, betas=config.betas, fused=True)
    # LARS's trust ratio leaves out groups without weight decay; the reference also skips biases and norms.
    optimizer: Optimizer = (
        Lars(groups, lr=0.0, momentum=config.momentum)
        if config.name == "lars"
        else SGD(groups, lr=0.0, momentum=config.momentum, foreach=True)
    )
    # Zero momentum steps like no momentum. With buffers in place, even a skipped first step can restore them.
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return optimizer


def parameter_groups(*networks: nn.Module) -> list[dict[str, object]]:
    """Group parameters: weights are decayed, biases and one-dimensional parameters are not; the backbone is separate.

    As in the reference, position embedding, [CLS] token and prototype lengths count as weights.
    """
    groups: list[dict[str, Any]] = [
        {"params": [], "decayed": decayed, "backbone": backbone} | ({} if decayed else {"weight_decay": 0.0})
        for backbone in (True, False)
        for decayed in (True, False)
    ]
    for name, parameter in (named for network in networks for named in network.named_parameters()):
        if parameter.requires_grad:
            is_plain = parameter.ndim == 1 or name.endswith(".bias")
            groups[2 * (not name.startswith("backbone.")) + is_plain]["params"].append(parameter)
    return [group for group in groups if group["params"]]


def set_scheduled(
    optimizer: Optimizer, *, learning_rate: float, backbone_learning_rate: float, weight_decay: float
) -> None:
    """Set the learning rates and weight decay for this step. Only decayed groups follow the weight-decay schedule."""
    for group in optimizer.param_groups:
        group["lr"] = backbone_learning_rate if group["backbone"] else learning_rate
        if group["decayed"]:
            group["weight_decay"] = weight_decay
