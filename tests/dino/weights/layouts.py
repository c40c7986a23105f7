"""The same small networks as the files of other trainers hold them, written down by hand from their sources."""

import re
from argparse import Namespace
from collections.abc import Callable
from typing import Any

import timm
import torch
from torch import Tensor, nn

State = dict[str, Tensor]


def tiny_vit(**options: Any) -> nn.Module:
    """A ViT of width 192 (3 heads) and 2 blocks, with random weights of visible size."""
    torch.manual_seed(0)
    network: nn.Module = timm.create_model(
        "vit_tiny_patch16_224", num_classes=0, **({"img_size": 32, "patch_size": 8, "depth": 2} | options)
    )
    for value in network.parameters():
        nn.init.normal_(value, std=0.05)
    return network.eval()


def prefixed(prefix: str, state: State) -> State:
    return {f"{prefix}{name}": value for name, value in state.items()}


def other(state: State) -> State:
    """Another network of the same shape, which must not be read."""
    return {name: value / 2 for name, value in state.items()}


def chunked(state: State) -> State:
    """DINOv2's blocks in chunks of one, whose inner number goes on."""
    return {re.sub(r"^blocks\.(\d+)\.", r"blocks.\1.\1.", name): value for name, value in state.items()}


def transformers_vit(state: State) -> State:
    """transformers' ViTModel (modeling_vit.py), with the pooler that it has."""
    renamed: State = {"pooler.dense.weight": torch.zeros(192, 192)}
    for name, value in state.items():
        block = re.fullmatch(r"blocks\.(\d+)\.(.+)\.(weight|bias)", name)
        if not block:
            renamed[
                {
                    "cls_token": "embeddings.cls_token",
                    "pos_embed": "embeddings.position_embeddings",
                    "patch_embed.proj.weight": "embeddings.patch_embeddings.projection.weight",
                    "patch_embed.proj.bias": "embeddings.patch_embeddings.projection.bias",
                    "norm.weight": "layernorm.weight",
                    "norm.bias": "layernorm.bias",
                }[name]
            ] = value
            continue
        number, part, kind = block.groups()
        layer = f"encoder.layer.{number}"
        if part == "attn.qkv":
            for which, rows in zip(("query", "key", "value"), value.chunk(3), strict=True):
                renamed[f"{layer}.attention.attention.{which}.{kind}"] = rows
        else:
            inner = {
                "norm1": "layernorm_before",
                "norm2": "layernorm_after",
                "attn.proj": "attention.output.dense",
                "mlp.fc1": "intermediate.dense",
                "mlp.fc2": "output.dense",
            }[part]
            renamed[f"{layer}.{inner}.{kind}"] = value
    return renamed


def transformers_dinov2(state: State) -> State:
    """transformers' Dinov2Model (modeling_dinov2.py)."""
    renamed = {"embeddings.mask_token": torch.zeros(1, 192)}
    for name, value in transformers_vit({k: v for k, v in state.items() if ".ls" not in k}).items():
        plain = name.replace("layernorm_before", "norm1").replace("layernorm_after", "norm2")
        plain = plain.replace(".intermediate.dense", ".mlp.fc1")
        plain = re.sub(r"(layer\.\d+)\.output\.dense", r"\1.mlp.fc2", plain)
        if not name.startswith("pooler"):
            renamed[plain] = value
    for name, value in state.items():
        if ".ls" in name:
            renamed[
                re.sub(r"blocks\.(\d+)\.ls(\d)\.gamma", r"encoder.layer.\1.layer_scale\2.lambda1", name)
            ] = value
    return renamed


VIT_FILES: dict[str, Callable[[State], Any]] = {
    "timm's own": lambda s: s,
    "DINO backbone with its classifier": lambda s: {**s, "head.weight": torch.zeros(3, 192)},
    "DINO, parallel": lambda s: {"model": prefixed("module.", s)},
    "DINOv2 backbone": lambda s: {**s, "mask_token": torch.zeros(1, 192)},
    "DINOv2 teacher": lambda s: {
        "teacher": {**prefixed("backbone.", chunked(s)), "dino_head.mlp.0.weight": torch.zeros(3, 3)}
    },
    "DINOv2 training": lambda s: {
        "model": {
            **prefixed("student.backbone.", s),
            **prefixed("teacher.backbone.", s),
            "dino_loss.center": torch.zeros(1, 4),
        },
        "optimizer": {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": []},
        "iteration": 5,
    },
    "Lightning": lambda s: {
        "state_dict": prefixed("model.", s),
        "epoch": 3,
        "hyper_parameters": {"lr": 0.1},
        "optimizer_states": [{"state": {}}],
    },
    "Lightning, compiled": lambda s: {"state_dict": prefixed("net._orig_mod.", s)},
    "solo-learn": lambda s: {
        "state_dict": {
            **prefixed("backbone.", s),
            **prefixed("momentum_backbone.", other(s)),
            "classifier.weight": torch.zeros(10, 192),
        }
    },
    "lightly DINO": lambda s: {
        "state_dict": {
            **prefixed("student_backbone.vit.", other(s)),
            **prefixed("teacher_backbone.vit.", s),
            "teacher_head.layers.0.weight": torch.zeros(3, 3),
        }
    },
    "timm's train.py": lambda s: {
        "arch": "vit_tiny_patch16_224",
        "state_dict": other(s),
        "state_dict_ema": s,
        "args": Namespace(lr=0.1),
    },
    "MoCo v3": lambda s: {
        "state_dict": {
            **prefixed("module.base_encoder.", s),
            **prefixed("module.momentum_encoder.", other(s)),
        }
    },
    "MAE": lambda s: {
        "model": {**s, "decoder_embed.weight": torch.zeros(3, 3), "mask_token": torch.zeros(1, 1, 3)}
    },
    "transformers ViT": transformers_vit,
    "transformers ViT with a classifier": lambda s: {
        **prefixed("vit.", transformers_vit(s)),
        "classifier.weight": torch.zeros(10, 192),
    },
    "half precision": lambda s: {name: value.half() for name, value in s.items()},
    "bfloat16": lambda s: {name: value.bfloat16() for name, value in s.items()},
    "FSDP names": lambda s: {"model": prefixed("_fsdp_wrapped_module.", s)},
}
