"""A training's fingerprint: an identity made from the parameters, images and code that decide its weights.

The code is dino/core as a syntax tree, so that its behaviour counts and its wording does not.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import timm
import torch

from dino_pipeline.dino.core.config import to_dict
from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.core.losses.config import is_own_class
from dino_pipeline.dino.core.losses.loss import loss_class
from dino_pipeline.dino.core.models.backbone import build_backbone
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.training.syntax_digest import syntax_digest
from dino_pipeline.dino.weights.older_files import LATER_FIELDS

CORE = Path(__file__).parents[1] / "core"
# A file in these folders counts only for trainings that name it.
_PLUG_INS = (Path("losses/methods"), Path("models/backbones"))
_BACKBONES = "dino_pipeline.dino.core.models.backbones."


def fingerprint(config: PretrainConfig, images: Manifest) -> str:
    """16 hex digits, equal exactly for trainings that must give equal weights (up to rounding).

    Args:
        config: resolved, with hashes in place of weights' files.
        images: all splits. Only train counts: its images in order, and its labels if the loss needs them.
    """
    loss = loss_class(config.loss.name, root=images.root)
    identity = {
        "config": _as_before(to_dict(config)),
        "data": images.split("train").training_digest(with_labels=loss.needs_labels),
        "code": code_digest(config, CORE, images.root),
    }
    return hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]


def code_digest(config: PretrainConfig, core: Path, root: Path) -> str:
    """Digest of the code that decides a training's weights: the core, and the plug-ins that the training names.

    Args:
        core: the folder dino/core, or a copy.
        root: the project folder, where the user's own loss files lie.
    """
    named = _named_plug_ins(config)
    files = [
        file
        for file in core.rglob("*.py")
        if (relative := file.relative_to(core)).parent not in _PLUG_INS
        or file.stem == "__init__"
        or relative in named
    ]
    if is_own_class(config.loss.name):
        files.append(root / config.loss.name.rpartition(":")[0])
    # Sorted by digest, because a file's location decides nothing.
    digests = sorted(syntax_digest(file.read_text(encoding="utf-8")) for file in files)
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def _as_before(config: dict[str, Any]) -> dict[str, Any]:
    """Remove the fields that were added later and have the value that matches older trainings."""
    for name, value in LATER_FIELDS.items():
        first, *groups, field = name.split(".")
        if first != "pretrain":
            continue
        group: Any = config
        for key in groups:
            group = group[key] if group is not None else None
        if group is not None and group.get(field) == value:
            del group[field]
    return config


def _named_plug_ins(config: PretrainConfig) -> set[Path]:
    losses, backbones = _PLUG_INS
    named = set() if is_own_class(config.loss.name) else {losses / f"{config.loss.name}.py"}
    networks = [network for network in (config.network, config.frozen_teacher) if network is not None]
    return named | {backbones / f"{module}.py" for network in networks for module in _modules_of(network)}


def _modules_of(network: BackboneConfig) -> Iterator[str]:
    """Modules of models/backbones that define this network: its adapter, and its architecture if timm lacks it."""
    with torch.device("meta"):  # shapes without memory
        adapter = type(build_backbone(network))
    for module in (adapter.__module__, timm.models.model_entrypoint(network.name).__module__):
        if module.startswith(_BACKBONES):
            yield module.removeprefix(_BACKBONES)
