"""Files of the published layout, with its names, shapes and pickles: the published ones cannot be had offline."""

import argparse
import re
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torchvision.models import resnet50

from dino_pipeline.dino.core.models.backbone import build_backbone
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig


def official_state(timm_name: str, options: dict[str, int] | None = None) -> dict[str, Tensor]:
    """A backbone's random weights under the names that the published file of it has."""
    if timm_name == "resnet50":
        return {k: v for k, v in resnet50().state_dict().items() if not k.startswith("fc.")}
    config = BackboneConfig(name=timm_name, options=options or {}, drop_path_rate=0.0)
    state = {**build_backbone(config).model.state_dict()}
    if "xcit" not in timm_name:
        return state
    # facebookresearch/xcit: one qkv in class attention, and another name of the position encoding
    for name in [k for k in state if re.fullmatch(r"cls_attn_blocks\.\d+\.attn\.q\.(weight|bias)", k)]:
        names = [name.replace(".q.", f".{part}.") for part in "qkv"]
        state[name.replace(".q.", ".qkv.")] = torch.cat([state.pop(part) for part in names])
    return {k.replace("pos_embed.", "pos_embeder."): v for k, v in state.items()}


def write_full_checkpoint(path: Path, backbone: dict[str, Tensor], *, num_prototypes: int, dim: int) -> None:
    """What main_dino.py saves: the student behind `module.`, arguments as a Namespace."""
    head = {
        "mlp.0.weight": torch.randn(32, dim),
        "mlp.0.bias": torch.zeros(32),
        "mlp.2.weight": torch.randn(32, 32),
        "mlp.2.bias": torch.zeros(32),
        "mlp.4.weight": torch.randn(16, 32),
        "mlp.4.bias": torch.zeros(16),
        "last_layer.weight_g": torch.ones(num_prototypes, 1),
        "last_layer.weight_v": torch.randn(num_prototypes, 16),
    }
    teacher = {f"backbone.{k}": v for k, v in backbone.items()} | {f"head.{k}": v for k, v in head.items()}
    torch.save(
        {
            "student": {f"module.{k}": v + 1 if v.is_floating_point() else v for k, v in teacher.items()},
            "teacher": teacher,
            "optimizer": {"state": {}, "param_groups": []},
            "epoch": 100,
            "args": argparse.Namespace(arch="vit_small", lr=np.float64(5e-4)),
            "dino_loss": {"center": torch.full((1, num_prototypes), 0.5)},
        },
        path,
    )
