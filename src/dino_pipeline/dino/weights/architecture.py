"""Infer the architecture of a backbone from the names and shapes of its tensors."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import timm
from torch import Tensor

from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
from dino_pipeline.dino.weights.official import OFFICIAL_CONFIGS
from dino_pipeline.dino.weights.recognition import mismatch, shapes_of

# Width of a ViT to its usual name and number of heads (DINO, DeiT, DINOv2, DINOv3).
_VITS = {
    192: ("tiny", 3),
    384: ("small", 6),
    768: ("base", 12),
    1024: ("large", 16),
    1280: ("huge", 16),
    1536: ("giant", 24),
}
_HEAD_WIDTH = 64
# Blocks of each stage, and whether they are bottlenecks, to timm's names.
_RESNETS: dict[tuple[tuple[int, ...], bool], tuple[str, ...]] = {
    ((2, 2, 2, 2), False): ("resnet18", "resnet18_small_stem"),
    ((3, 4, 6, 3), False): ("resnet34",),
    ((3, 4, 6, 3), True): ("resnet50", "resnet50_small_stem", "wide_resnet50_2", "resnext50_32x4d"),
    ((3, 4, 23, 3), True): ("resnet101", "wide_resnet101_2", "resnext101_32x8d", "resnext101_64x4d"),
    ((3, 8, 36, 3), True): ("resnet152",),
}
_CONVNEXTS = ("convnext_tiny", "convnext_small", "convnext_base", "convnext_large")
_DINOV3 = ("tiny", "small", "small_plus", "base", "large", "huge_plus", "7b")


class Inferred(NamedTuple):
    """An architecture, and what about it is a guess, which the tensors do not show; empty if nothing is."""

    backbone: BackboneConfig
    guess: str


def infer(weights: Mapping[str, Tensor], *, num_heads: int | None = None) -> Inferred | None:
    """The architecture of these tensors, or None if their names belong to no known family.

    Args:
        weights: of a backbone, under timm's names.
        num_heads: of a ViT, if a file beside the weights records it.

    Raises:
        ValueError: it is a ViT whose number of heads nothing shows.
    """
    if "blocks.0.gamma_1" in weights and "pos_embed" not in weights:
        return _dinov3(weights)
    if {"pos_embed", "cls_token", "blocks.0.attn.qkv.weight"} <= weights.keys():
        return _vit(weights, num_heads)
    if "layer1.0.conv1.weight" in weights:
        return _resnet(weights)
    names = _CONVNEXTS if "stages.0.blocks.0.conv_dw.weight" in weights else ()
    configs = [_config(name) for name in names] or [one for one in OFFICIAL_CONFIGS if "xcit" in one.name]
    found = _first_exact(weights, configs)
    return Inferred(found, "") if found else None


def _vit(weights: Mapping[str, Tensor], num_heads: int | None) -> Inferred | None:
    shape = {name: tuple(value.shape) for name, value in weights.items()}
    kernel, position = shape.get("patch_embed.proj.weight", ()), shape["pos_embed"]
    if len(kernel) != 4 or kernel[2] != kernel[3] or len(position) != 3:
        return None
    dim, channels, patch = kernel[0], kernel[1], kernel[2]
    registers = shape["reg_token"][1] if "reg_token" in shape else 0
    grids = {prefix: math.isqrt(position[1] - prefix) for prefix in (0, 1, 1 + registers)}
    fitting = [prefix for prefix, side in grids.items() if side**2 == position[1] - prefix]
    if not fitting:
        raise ValueError(
            f"pos_embed {list(position)} is not of a square image, with or without [CLS]: only ViTs of square images "
            "are read"
        )
    prefix = fitting[0]
    size = grids[prefix] * patch
    usual, heads = _VITS.get(dim, ("", dim // _HEAD_WIDTH if dim % _HEAD_WIDTH == 0 else 0))
    known = num_heads or heads
    if not known:
        raise ValueError(
            f"a ViT of width {dim}, whose number of attention heads does not show in its tensors' shapes"
        )
    guess = "" if num_heads else f"{known} attention heads, as is usual for width {dim}"
    hidden, rows = shape["blocks.0.mlp.fc2.weight"][1], shape["blocks.0.mlp.fc1.weight"][0]
    options: dict[str, Any] = {
        "img_size": size,
        "patch_size": patch,
        "embed_dim": dim,
        "depth": 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("blocks.")),
        "num_heads": known,
        "mlp_ratio": rows / dim if rows != 4 * dim else None,
        "in_chans": channels if channels != 3 else None,
        "reg_tokens": registers or None,
        "no_embed_class": prefix == 0 or None,
        "init_values": 1e-5 if "blocks.0.ls1.gamma" in weights else None,
        "qkv_bias": None if "blocks.0.attn.qkv.bias" in weights else False,
        "qk_norm": True if "blocks.0.attn.q_norm.weight" in weights else None,
        "pre_norm": True if "norm_pre.weight" in weights else None,
    }
    kind = f"patch{patch}_reg{registers}_dinov2" if registers else f"patch{patch}_dinov2"
    own = {"img_size": size} | ({"in_chans": channels} if channels != 3 else {})
    own |= {"num_heads": num_heads} if num_heads and num_heads != heads else {}
    for name in (f"vit_{usual}_{kind}", f"vit_{usual}_patch{patch}_224", f"vit_{usual}_patch{patch}_384"):
        if timm.is_model(name):
            native = timm.models.get_pretrained_cfg(name)
            same = {"img_size"} if native and native.input_size[-1] == size else set()
            config = _config(name, {key: value for key, value in own.items() if key not in same})
            if not len(mismatch(weights, shapes_of(config))):
                return Inferred(config, guess)
    gated = rows == 2 * hidden
    base = "vit_giant_patch14_dinov2" if gated else "vit_tiny_patch16_224"
    if gated:
        options["mlp_ratio"] = rows / dim
        options["init_values"] = options["init_values"] or 0.0
    return Inferred(_config(base, {key: value for key, value in options.items() if value is not None}), guess)


def _dinov3(weights: Mapping[str, Tensor]) -> Inferred | None:
    dim = weights["cls_token"].shape[-1]
    biased = "_qkvb" if "blocks.0.attn.q_bias" in weights else ""
    # The published networks give [CLS]; timm's average the patches unless asked.
    configs = [
        _config(name, {"global_pool": "token"})
        for size in _DINOV3
        if timm.is_model(name := f"vit_{size}_patch16_dinov3{biased}")
    ]
    found = _first_exact(weights, configs)
    if found or dim % _HEAD_WIDTH:
        return Inferred(found, "") if found else None
    kernel = weights["patch_embed.proj.weight"].shape
    gated = "_plus" if "blocks.0.mlp.fc1_g.weight" in weights else ""
    rows = weights[f"blocks.0.mlp.{'fc1_g' if gated else 'fc1'}.weight"].shape[0]
    options = {
        "global_pool": "token",
        "patch_size": kernel[-1],
        "embed_dim": dim,
        "depth": 1 + max(int(name.split(".")[1]) for name in weights if name.startswith("blocks.")),
        "num_heads": dim // _HEAD_WIDTH,
        "mlp_ratio": rows / dim,
        "num_reg_tokens": weights["reg_token"].shape[1] if "reg_token" in weights else 0,
        **({"in_chans": kernel[1]} if kernel[1] != 3 else {}),
    }
    name = f"vit_small{gated}_patch16_dinov3{biased}"
    return Inferred(_config(name, options), f"{options['num_heads']} attention heads, of width {_HEAD_WIDTH}")


def _resnet(weights: Mapping[str, Tensor]) -> Inferred | None:
    stages = tuple(
        1
        + max((int(name.split(".")[1]) for name in weights if name.startswith(f"layer{stage}.")), default=-1)
        for stage in (1, 2, 3, 4)
    )
    names = _RESNETS.get((stages, "layer1.0.conv3.weight" in weights), ())
    channels = weights["conv1.weight"].shape[1] if "conv1.weight" in weights else 3
    configs = [_config(name).for_images(channels) for name in names]
    found = _first_exact(weights, configs)
    if not found:
        return None
    is_small = found.name.endswith("small_stem")
    return Inferred(
        found, "no max-pooling after the 3x3 stem, as is usual for small images" if is_small else ""
    )


def _first_exact(weights: Mapping[str, Tensor], configs: list[BackboneConfig]) -> BackboneConfig | None:
    return next((one for one in configs if not len(mismatch(weights, shapes_of(one)))), None)


def _config(name: str, options: Mapping[str, Any] | None = None) -> BackboneConfig:
    return BackboneConfig(name=name, options=dict(options or {}), drop_path_rate=0.0)
