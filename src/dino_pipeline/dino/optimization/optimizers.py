"""Optimizers over two parameter groups: with weight decay and without."""

from timm.optim import Lars
from torch import nn
from torch.optim import SGD, AdamW, Optimizer

from dino_pipeline.dino.optimization.config import OptimizerConfig


def build_optimizer(config: OptimizerConfig, network: nn.Module) -> Optimizer:
    """An optimizer whose learning rate and weight decay are set before each step."""
    groups = parameter_groups(network)
    if config.name == "adamw":
        return AdamW(groups, lr=0.0, betas=config.betas, fused=True)
    if config.name == "lars":
        # Its trust ratio leaves out the group without weight decay: the reference's LARS skips biases and norms too.
        lars: Optimizer = Lars(groups, lr=0.0, momentum=config.momentum)
        return lars
    return SGD(groups, lr=0.0, momentum=config.momentum, foreach=True)


def parameter_groups(network: nn.Module) -> list[dict[str, object]]:
    """Weights are decayed, biases and one-dimensional parameters are not.

    As in the reference, position embedding, [CLS] token and prototype lengths count as weights.
    """
    decayed: list[nn.Parameter] = []
    plain: list[nn.Parameter] = []
    for name, parameter in network.named_parameters():
        if parameter.requires_grad:
            (plain if parameter.ndim == 1 or name.endswith(".bias") else decayed).append(parameter)
    return [{"params": decayed, "decayed": True}, {"params": plain, "decayed": False, "weight_decay": 0.0}]


def set_scheduled(optimizer: Optimizer, *, learning_rate: float, weight_decay: float) -> None:
    """Put this step's values in force; only the decayed group follows the weight-decay schedule."""
    for group in optimizer.param_groups:
        group["lr"] = learning_rate
        if group["decayed"]:
            group["weight_decay"] = weight_decay
