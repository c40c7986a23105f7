"""From the published code's names of weights to ours, which are timm's below `backbone.model.`.

ViTs and torchvision's ResNet-50 bear timm's names already. XCiT's differ in two places, as timm's own reader of them
says (timm/models/xcit.py, checkpoint_filter_fn): the position encoding's name, and class attention, whose query, key
and value timm keeps apart since only [CLS] asks.
"""

import re
from collections.abc import Mapping

from torch import Tensor

BACKBONE = "backbone.model."
HEAD = "head."

# A classifier on top is no part of a backbone.
_CLASSIFIER = {"fc.weight", "fc.bias", "head.weight", "head.bias"}
_CLASS_ATTENTION = re.compile(r"(?P<block>cls_attn_blocks\.\d+\.attn)\.qkv\.(?P<kind>weight|bias)")
_PROTOTYPES = {
    "last_layer.weight_g": "last_layer.parametrizations.weight.original0",
    "last_layer.weight_v": "last_layer.parametrizations.weight.original1",
}


def network_names(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our names of the weights of a network (`backbone.*`, `head.*`) or of a backbone alone.

    Args:
        weights: with or without `module.` before every name.
    """
    plain = {name.removeprefix("module."): value for name, value in weights.items()}
    if not any(name.startswith("backbone.") for name in plain):
        return {BACKBONE + name: value for name, value in _timm_names(plain).items()}
    backbone = {
        name.removeprefix("backbone.").removeprefix("model."): value
        for name, value in plain.items()
        if name.startswith("backbone.")
    }
    others = {name: value for name, value in plain.items() if not name.startswith("backbone.")}
    return {BACKBONE + name: value for name, value in _timm_names(backbone).items()} | {
        _head_name(name): value for name, value in others.items()
    }


def backbone_weights(network: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The backbone's part of a network's weights, under timm's names."""
    return {
        name.removeprefix(BACKBONE): value for name, value in network.items() if name.startswith(BACKBONE)
    }


def _timm_names(backbone: Mapping[str, Tensor]) -> dict[str, Tensor]:
    renamed = {}
    for name, value in backbone.items():
        class_attention = _CLASS_ATTENTION.fullmatch(name)
        if class_attention:
            for part, rows in zip("qkv", value.chunk(3), strict=True):
                renamed[f"{class_attention['block']}.{part}.{class_attention['kind']}"] = rows
        elif name not in _CLASSIFIER:
            renamed[name.replace("pos_embeder.", "pos_embed.")] = value
    return renamed


def _head_name(name: str) -> str:
    inner = name.removeprefix(HEAD)
    return HEAD + _PROTOTYPES[inner] if inner in _PROTOTYPES else name
