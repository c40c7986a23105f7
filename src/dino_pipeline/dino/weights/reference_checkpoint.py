"""Checkpoints and tensor names of the published DINO code (https://github.com/facebookresearch/dino).

A training checkpoint (main_dino.py) holds {student, teacher, optimizer, epoch, args, dino_loss}, with `module.` before
the student's names. Reading executes nothing from the file.

Our names are timm's below `backbone.model.`. The published ViTs and torchvision's ResNet-50 already have timm's names.
XCiT differs in two places, which are handled as in timm's own reader (timm/models/xcit.py, checkpoint_filter_fn): the
name of the position encoding, and class attention, for which timm stores query, key and value separately.
"""

import argparse
import pickle
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

BACKBONE = "backbone.model."
HEAD = "head."

# A backbone has no classifier.
_CLASSIFIER = {"fc.weight", "fc.bias", "head.weight", "head.bias"}
_CLASS_ATTENTION = re.compile(r"(?P<block>cls_attn_blocks\.\d+\.attn)\.qkv\.(?P<kind>weight|bias)")
_PROTOTYPES = {
    "last_layer.weight_g": "last_layer.parametrizations.weight.original0",
    "last_layer.weight_v": "last_layer.parametrizations.weight.original1",
}
_numpy_scalar = type(np.float64(0.0)).__reduce__(np.float64(0.0))[0]  # rebuilds a pickled numpy scalar

# Besides tensors, the files contain a Namespace of arguments and numpy scalars. Only these may be rebuilt.
_ALLOWED: list[Any] = [
    argparse.Namespace,
    np.dtype,
    np.ndarray,
    *{type(np.dtype(kind)) for kind in (np.float64, np.float32, np.int64, np.int32, np.bool_)},
    _numpy_scalar,
    (_numpy_scalar, "numpy.core.multiarray.scalar"),  # the name in files written by numpy 1
]


class ReferenceCheckpoint(NamedTuple):
    """Weights under the names that `MultiCropNetwork.load_state_dict` expects."""

    student: dict[str, Tensor]
    teacher: dict[str, Tensor]
    center: Tensor  # [1, prototypes]
    epoch: int


def load_data_only(path: Path) -> Any:
    """Load a file written by `torch.save`, on the CPU, without executing anything from it.

    Raises:
        ValueError: the file holds anything but data.
    """
    try:
        with torch.serialization.safe_globals(_ALLOWED):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # torch's own message is long, and ends with advice to execute the file anyway
        raise ValueError(
            f"{path} is refused: it contains objects or code, or was not written by torch.save; only plain values "
            "and tensors are read"
        ) from error


def reference_checkpoint(content: dict[str, Any], path: Path) -> ReferenceCheckpoint:
    """Convert what `load_data_only` read into a full training checkpoint; `path` is for errors.

    Raises:
        ValueError: an entry is missing; the message names it.
    """
    missing = {"student", "teacher", "dino_loss", "epoch"} - set(content)
    if missing:
        raise ValueError(f"{path} is not a DINO training checkpoint: it lacks {', '.join(sorted(missing))}")
    return ReferenceCheckpoint(
        student=network_names(content["student"]),
        teacher=network_names(content["teacher"]),
        center=content["dino_loss"]["center"],
        epoch=int(content["epoch"]),
    )


def network_names(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Convert the tensor names of a network (`backbone.*`, `head.*`) or of a backbone alone to our names.

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
    """The backbone's weights from a network's weights, under timm's names."""
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
