"""ResNets for 32-pixel images: a 3x3 stem of stride 1 and no max-pooling, which timm has no options for.

These are the usual networks for CIFAR-10 in self-supervised learning (SimCLR, arXiv:2002.05709, appendix B.9).
"""

from typing import Any

import timm
from timm.models import register_model
from torch import nn


def resnet18_small_stem(pretrained: bool = False, **options: Any) -> nn.Module:  # noqa: ARG001  timm passes it
    """timm's `resnet18` with this stem. It takes the same options."""
    return _with_small_stem("resnet18", options)


def resnet50_small_stem(pretrained: bool = False, **options: Any) -> nn.Module:  # noqa: ARG001  timm passes it
    """timm's `resnet50` with this stem, a larger teacher for the same images."""
    return _with_small_stem("resnet50", options)


def _with_small_stem(name: str, options: dict[str, Any]) -> nn.Module:
    network: Any = timm.create_model(name, **options)
    stem = network.conv1
    network.conv1 = nn.Conv2d(
        stem.in_channels, stem.out_channels, kernel_size=3, stride=1, padding=1, bias=False
    )
    # The same initialisation as timm's.
    nn.init.kaiming_normal_(network.conv1.weight, mode="fan_out", nonlinearity="relu")
    network.maxpool = nn.Identity()
    module: nn.Module = network
    return module


for small_stem in (resnet18_small_stem, resnet50_small_stem):
    register_model(small_stem)  # registers it in timm under the function's name
