"""The projection head: MLP, L2-normalised bottleneck, weight-normalised prototypes (arXiv:2104.14294, appendix C)."""

import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

from dino_pipeline.dino.models.head_config import ProjectionHeadConfig

__all__ = ["ProjectionHead", "ProjectionHeadConfig"]


class ProjectionHead(nn.Module):
    """Maps features [N, dim] to prototype scores [N, prototypes]."""

    def __init__(self, config: ProjectionHeadConfig, *, in_dim: int) -> None:
        super().__init__()
        self.mlp = _mlp(config, in_dim)
        self.last_layer = weight_norm(nn.Linear(config.bottleneck_dim, config.num_prototypes, bias=False))
        self.apply(_initialize)
        length = self.last_layer.parametrizations.weight.original0  # one length a prototype
        nn.init.ones_(length)
        length.requires_grad = not config.norm_last_layer

    def forward(self, features: Tensor) -> Tensor:
        scores: Tensor = self.last_layer(F.normalize(self.mlp(features), dim=-1))
        return scores


def _mlp(config: ProjectionHeadConfig, in_dim: int) -> nn.Module:
    if config.num_layers == 1:
        return nn.Linear(in_dim, config.bottleneck_dim)
    layers: list[nn.Module] = []
    for width in [in_dim, *[config.hidden_dim] * (config.num_layers - 2)]:
        layers.append(nn.Linear(width, config.hidden_dim))
        if config.batch_norm:
            layers.append(nn.BatchNorm1d(config.hidden_dim))
        layers.append(nn.GELU())
    return nn.Sequential(*layers, nn.Linear(config.hidden_dim, config.bottleneck_dim))


def _initialize(module: nn.Module) -> None:
    if isinstance(module, nn.Linear) and module.bias is not None:
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
