"""The multi-layer perceptron of projection heads and predictors."""

from typing import Literal

from torch import nn

_ACTIVATIONS = {"gelu": nn.GELU, "relu": nn.ReLU}


def build_mlp(
    in_dim: int,
    hidden_dim: int,
    out_dim: int,
    *,
    num_layers: int,
    batch_norm: bool,
    activation: Literal["gelu", "relu"],
) -> nn.Module:
    """Build `num_layers` linear layers; after all but the last come optional batch norm and the activation."""
    if num_layers == 1:
        return nn.Linear(in_dim, out_dim)
    layers: list[nn.Module] = []
    for width in [in_dim, *[hidden_dim] * (num_layers - 2)]:
        layers.append(nn.Linear(width, hidden_dim))
        if batch_norm:
            layers.append(nn.BatchNorm1d(hidden_dim))
        layers.append(_ACTIVATIONS[activation]())
    return nn.Sequential(*layers, nn.Linear(hidden_dim, out_dim))
