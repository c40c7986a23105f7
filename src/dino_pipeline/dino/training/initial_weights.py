"""Start a training from pretrained weights.

The weights decide the backbone, the normalisation and, unless `new_head` is set, the projection head. They are copied
to the training's own folder, and the parameters name them by their hash: the file's location does not matter.
"""

import logging
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from dino_pipeline.dino.core.models.backbone import build_backbone
from dino_pipeline.dino.core.models.head_config import ProjectionHeadConfig
from dino_pipeline.dino.core.models.projection_head import ProjectionHead
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.training.checkpoint import save_checkpoint
from dino_pipeline.dino.training.frozen_teacher import (
    FROZEN_TEACHER,
    check_normalisation,
    resolve_frozen_teacher,
)
from dino_pipeline.dino.weights.foreign_weights import PretrainedWeights, Wanted
from dino_pipeline.dino.weights.pretrained_weights import read_pretrained_weights
from dino_pipeline.dino.weights.recognition import mismatch
from dino_pipeline.dino.weights.tensor_names import HEAD

INITIAL = "initial.pt"
_LINEAR = re.compile(HEAD + r"mlp\.(?:\d+\.)?weight")

logger = logging.getLogger(__name__)


class Start(NamedTuple):
    """The start of a training: its weights, and its parameters as these weights decide them."""

    config: PretrainConfig  # initial_weights is the hash of the file
    state: dict[str, Any] | None  # student, teacher (maybe without heads), center; None: random weights
    frozen_teacher: dict[str, Tensor] | None  # its backbone's weights; None if the teacher is not frozen


def resolve(config: PretrainConfig, *, root: Path) -> Start:
    """Read the weights that the parameters name, if any: initial weights, and those of a frozen teacher.

    Args:
        root: relative names are relative to this folder.

    Raises:
        ValueError: the file does not exist, or its weights do not match; the message says what differs.
    """
    config, frozen_teacher = resolve_frozen_teacher(config, root=root)
    if config.initial_weights is None:
        return Start(config, None, frozen_teacher)
    path, weights, digest = read_pretrained_weights(
        config.initial_weights,
        key="pretrain.initial_weights",
        root=root,
        wanted=Wanted(
            likely=[config.backbone],
            name_key="pretrain.backbone.name",
            options_key="pretrain.backbone.options",
        ),
        images=config.images,
    )
    check_normalisation(config, weights.normalisation)
    mean, std = weights.normalisation or (config.mean, config.std)
    teacher = weights.networks["teacher"]
    student = _without_predictor(weights.networks.get("student", teacher))
    keeps_head = not config.new_head and any(name.startswith(HEAD) for name in teacher)
    networks = {"student": student, "teacher": teacher}
    if keeps_head:
        head = head_shape(teacher, config.projection_head)
        _check_heads(networks, head, weights, path)
    else:
        head = config.projection_head
        networks = {name: _without_head(state) for name, state in networks.items()}
    center = weights.center if keeps_head else None
    for note in weights.notes:
        logger.info(note)
    logger.info(
        "starting from %s: a %s, %s; %s",
        path.name,
        weights.kind,
        weights.backbone.name,
        "with its projection head and center"
        if center is not None
        else "with its projection head; the center is new"
        if keeps_head
        else "the projection head is new",
    )
    resolved = replace(
        config,
        initial_weights=digest,
        backbone=replace(weights.backbone, drop_path_rate=config.backbone.drop_path_rate),
        mean=mean,
        std=std,
        projection_head=head,
    )
    return Start(resolved, {**networks, "center": center}, frozen_teacher)


def store(start: Start, folder: Path) -> None:
    """Write the weights to the training's folder, where its workers read them."""
    for name, state in ((INITIAL, start.state), (FROZEN_TEACHER, start.frozen_teacher)):
        if state is not None and not (folder / name).is_file():
            folder.mkdir(parents=True, exist_ok=True)
            save_checkpoint(state, folder / name)


def head_shape(network: Mapping[str, Tensor], asked: ProjectionHeadConfig) -> ProjectionHeadConfig:
    """The shape of the projection head that a network's weights have. `asked` gives what weights do not show."""
    layers = [value for name, value in network.items() if _LINEAR.fullmatch(name) and value.ndim == 2]
    prototypes = network.get(HEAD + "last_layer.parametrizations.weight.original1")
    return replace(
        asked,
        num_prototypes=None if prototypes is None else len(prototypes),
        num_layers=len(layers),
        hidden_dim=len(layers[0]) if len(layers) > 1 else asked.hidden_dim,
        bottleneck_dim=len(layers[-1]),
        batch_norm=any(name.startswith(HEAD) and name.endswith("running_mean") for name in network),
    )


def _check_heads(
    networks: Mapping[str, Mapping[str, Tensor]],
    head: ProjectionHeadConfig,
    weights: PretrainedWeights,
    path: Path,
) -> None:
    with torch.device("meta"):  # shapes without memory
        in_dim = build_backbone(weights.backbone).num_features
        expected = {HEAD + k: v.shape for k, v in ProjectionHead(head, in_dim=in_dim).state_dict().items()}
    for name, state in networks.items():
        differing = mismatch({k: v for k, v in state.items() if k.startswith(HEAD)}, expected)
        if len(differing):
            raise ValueError(
                f"the {name}'s projection head in {path.name} is not one of DINO's (set pretrain.new_head to true "
                f"to start with a new one): {differing}"
            )


def _without_head(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value for name, value in state.items() if not name.startswith(HEAD)}


def _without_predictor(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Leave out the predictor: initial weights often are a teacher's, which has none, so the predictor starts new."""
    return {name: value for name, value in state.items() if not name.startswith(HEAD + "predictor.")}
