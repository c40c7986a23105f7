"""Translate the tensor names of other libraries to timm's, and name what a backbone does not need.

DINO's ViTs and torchvision's ResNets have timm's names. XCiT, DINOv2, DINOv3 and ConvNeXt differ as timm's own readers
have it (checkpoint_filter_fn of timm/models/xcit.py, vision_transformer.py, eva.py and convnext.py).
"""

import re
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

BACKBONE = "backbone.model."
HEAD = "head."

# Parts of a saved network that its backbone does not need.
_LEFT_OUT = re.compile(
    r"(mask_token|fc|fc_norm|classifier|head|heads|head_dist|dino_head|ibot_head|projection_head|projector|projectors|"
    r"prototypes|predictor|pooler|lm_head|decoder|decoder_\w+|queue|queue_ptr|local_cls_norm|norms|rope_embed)(\..+)?"
    r"|.+\.(bias_mask|periods|relative_position_index)"
)
_CLASS_ATTENTION = re.compile(r"(?P<block>cls_attn_blocks\.\d+\.attn)\.qkv\.(?P<kind>weight|bias)")
_PROTOTYPES = {
    "last_layer.weight_g": "last_layer.parametrizations.weight.original0",
    "last_layer.weight_v": "last_layer.parametrizations.weight.original1",
}
_CHILDREN = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4"}
_TRANSFORMERS = (
    (r"^(?:encoder\.|model\.)?layers?\.(\d+)\.", r"blocks.\1."),
    (r"^embeddings\.patch_embeddings\.(?:projection\.)?", "patch_embed.proj."),
    (r"^embeddings\.position_embeddings$", "pos_embed"),
    (r"^embeddings\.register_tokens$", "register_tokens"),
    (r"^embeddings\.(cls_token|mask_token)$", r"\1"),
    (r"\.attention\.(?:attention\.)?(query|key|value)\.", r".attn.\1."),
    (r"\.attention\.([qkv])_proj\.", r".attn.\1."),
    (r"\.attention\.(?:output\.dense|o_proj)\.", ".attn.proj."),
    (r"\.(?:intermediate\.dense|mlp\.up_proj)\.", ".mlp.fc1."),
    (r"\.(?:output\.dense|mlp\.down_proj)\.", ".mlp.fc2."),
    (r"\.mlp\.weights_in\.", ".mlp.fc1."),
    (r"\.mlp\.weights_out\.", ".mlp.fc2."),
    (r"\.layernorm_before\.", ".norm1."),
    (r"\.layernorm_after\.", ".norm2."),
    (r"\.layer_scale(\d)\.lambda1$", r".ls\1.gamma"),
    (r"^layernorm\.", "norm."),
)
_TORCHVISION = (
    (r"^class_token$", "cls_token"),
    (r"^conv_proj\.", "patch_embed.proj."),
    (r"^encoder\.pos_embedding$", "pos_embed"),
    (r"^encoder\.layers\.encoder_layer_(\d+)\.", r"blocks.\1."),
    (r"\.ln_([12])\.", r".norm\1."),
    (r"\.self_attention\.in_proj_", ".attn.qkv."),
    (r"\.self_attention\.out_proj\.", ".attn.proj."),
    (r"\.mlp\.(?:0|linear_1)\.", ".mlp.fc1."),
    (r"\.mlp\.(?:3|linear_2)\.", ".mlp.fc2."),
    (r"^encoder\.ln\.", "norm."),
)
_CONVNEXT = (
    (r"^downsample_layers\.0\.", "stem."),
    (r"^downsample_layers\.(\d+)\.", r"stages.\1.downsample."),
    (r"^stages\.(\d+)\.(\d+)\.", r"stages.\1.blocks.\2."),
    (r"\.dwconv\.", ".conv_dw."),
    (r"\.pwconv([12])\.", r".mlp.fc\1."),
    (r"^norm\.", "head.norm."),
)
_DINOV3 = (
    (r"^(?:storage|register)_tokens$", "reg_token"),
    (r"\.ls([12])\.gamma$", r".gamma_\1"),
    (r"\.mlp\.(?:w1|gate_proj)\.", ".mlp.fc1_g."),
    (r"\.mlp\.w2\.", ".mlp.fc1_x."),
    (r"\.mlp\.w3\.", ".mlp.fc2."),
)


class Translated(NamedTuple):
    """A backbone's tensors under timm's names, in float32, and the names of those that were left out."""

    tensors: dict[str, Tensor]
    left_out: list[str]


def timm_names(backbone: Mapping[str, Tensor]) -> Translated:
    """Translate the names of a backbone, with or without a classifier, of any library that is understood."""
    if "downsample_layers.0.0.weight" in backbone:
        kept, left_out = _split(backbone)
        return Translated(_renamed(kept, _CONVNEXT), left_out)
    if "4.0.conv1.weight" in backbone:
        children = {name: name.partition(".")[::2] for name in backbone}
        kept = {
            f"{_CHILDREN[first]}.{rest}": backbone[name]
            for name, (first, rest) in children.items()
            if first in _CHILDREN
        }
        return Translated(
            _float(kept), sorted({first for first, _ in children.values() if first not in _CHILDREN})
        )
    if any(name.startswith("embeddings.") for name in backbone):
        backbone = _joined(_renamed(backbone, _TRANSFORMERS))
    elif "conv_proj.weight" in backbone:
        backbone = _renamed(backbone, _TORCHVISION)
    elif "stages.0.blocks.0.conv_dw.weight" in backbone:  # timm's ConvNeXt, whose norm is below `head`
        kept = {
            name: value
            for name, value in backbone.items()
            if not name.startswith(("head.fc", "head.flatten"))
        }
        return Translated(_float(kept), sorted(backbone.keys() - kept.keys()))
    backbone, left_out = _split(backbone)
    backbone = {
        re.sub(r"^blocks\.\d+\.(\d+)\.", r"blocks.\1.", name): value for name, value in backbone.items()
    }
    if "pos_embed" in backbone or "cls_attn_blocks.0.norm1.weight" in backbone:
        return Translated(_vit(backbone), left_out)
    if "blocks.0.norm1.weight" in backbone and (
        "storage_tokens" in backbone or "register_tokens" in backbone
    ):
        tensors, also = _dinov3(backbone)
        return Translated(tensors, left_out + also)
    return Translated(_float(backbone), left_out)


def head_names(head: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """DINO's projection head under our names."""
    return {HEAD + _PROTOTYPES.get(name, name): value for name, value in _float(head).items()}


def backbone_weights(network: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The backbone's weights from a network's weights, under timm's names."""
    return {
        name.removeprefix(BACKBONE): value for name, value in network.items() if name.startswith(BACKBONE)
    }


def _split(backbone: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    kept = {name: value for name, value in backbone.items() if not _LEFT_OUT.fullmatch(name)}
    left_out = backbone.keys() - kept.keys()
    # A head in one word: fc, not fc.weight and fc.bias.
    return kept, sorted(
        {name.rpartition(".")[2] if "blocks." in name else name.partition(".")[0] for name in left_out}
    )


def _renamed(tensors: Mapping[str, Tensor], rules: tuple[tuple[str, str], ...]) -> dict[str, Tensor]:
    renamed = {}
    for name, value in tensors.items():
        for pattern, replacement in rules:
            name = re.sub(pattern, replacement, name)
        renamed[name] = value
    return _float(renamed)


def _float(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}


def _joined(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Put query, key and value of transformers into one tensor. A missing bias is 0."""
    parts = re.compile(
        r"(?P<block>blocks\.\d+\.attn)\.(?P<part>query|key|value|q|k|v)\.(?P<kind>weight|bias)"
    )
    joined = {name: value for name, value in tensors.items() if not parts.fullmatch(name)}
    found: dict[str, dict[str, Tensor]] = {}
    for name, value in tensors.items():
        match = parts.fullmatch(name)
        if match:
            found.setdefault(f"{match['block']}.qkv.{match['kind']}", {})[match["part"][0]] = value
    for name, part in found.items():
        zero = torch.zeros_like(next(iter(part.values())))
        if name.endswith("weight") and len(part) < 3:
            joined |= {f"{name}.{key}": value for key, value in part.items()}  # named as unexpected
        else:
            joined[name] = torch.cat([part.get(key, zero) for key in "qkv"])
    gate = re.compile(r"(blocks\.\d+\.mlp)\.gate_proj\.(weight|bias)")
    for name in [name for name in joined if gate.fullmatch(name)]:  # SwiGLU of DINOv3
        up = gate.sub(r"\1.fc1.\2", name)
        joined[gate.sub(r"\1.w1.\2", name)], joined[gate.sub(r"\1.w2.\2", name)] = (
            joined.pop(name),
            joined.pop(up),
        )
    for name in [
        name for name in joined if name.endswith("fc2.weight") and name[:-10] + "w1.weight" in joined
    ]:
        for kind in ("weight", "bias"):
            old = name.removesuffix("weight") + kind
            joined[old.replace("fc2", "w3")] = joined.pop(old)
    return joined


def _vit(backbone: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """DINO, DINOv2 and XCiT. With registers, DINOv2's position of [CLS] is added to [CLS], as in timm."""
    renamed: dict[str, Tensor] = {}
    for name, value in _float(backbone).items():
        class_attention = _CLASS_ATTENTION.fullmatch(name)
        if class_attention:
            for part, rows in zip("qkv", value.chunk(3), strict=True):
                renamed[f"{class_attention['block']}.{part}.{class_attention['kind']}"] = rows
        else:
            plain = name.replace("pos_embeder.", "pos_embed.")
            renamed[plain.replace("mlp.w12.", "mlp.fc1.").replace("mlp.w3.", "mlp.fc2.")] = value
    registers = renamed.pop("register_tokens", None)
    if registers is not None and registers.numel():
        renamed["reg_token"] = registers
        renamed["cls_token"] = renamed["cls_token"] + renamed["pos_embed"][:, :1]
        renamed["pos_embed"] = renamed["pos_embed"][:, 1:]
    return renamed


def _dinov3(backbone: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
    """DINOv3, whose biases of query and value are 0 in some published files; timm has both forms."""
    renamed = _renamed(backbone, _DINOV3)
    biases = {name: value for name, value in renamed.items() if name.endswith("attn.qkv.bias")}
    renamed = {name: value for name, value in renamed.items() if name not in biases}
    thirds = {name: value.chunk(3) for name, value in biases.items()}
    if not any(third.any() for query, _, value in thirds.values() for third in (query, value)):
        return renamed, ["attn.qkv.bias (all 0)"] if biases else []
    for name, (query, _, value) in thirds.items():  # the key's bias is masked
        renamed[name.replace("qkv.bias", "q_bias")] = query
        renamed[name.replace("qkv.bias", "v_bias")] = value
    return renamed, []
