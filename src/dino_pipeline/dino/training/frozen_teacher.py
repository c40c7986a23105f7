"""The frozen teacher of a distillation: a trained network of another, larger architecture.

Its weights are copied to the training's own folder, and the parameters name them by their hash, as with initial
weights.
"""

import logging
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.weights.foreign_weights import Channels, Wanted
from dino_pipeline.dino.weights.pretrained_weights import read_pretrained_weights
from dino_pipeline.dino.weights.recognition import check_matches
from dino_pipeline.dino.weights.tensor_names import HEAD, backbone_weights

FROZEN_TEACHER = "frozen_teacher.pt"
_KEY = "pretrain.teacher.weights"

logger = logging.getLogger(__name__)


def resolve_frozen_teacher(
    config: PretrainConfig, *, root: Path
) -> tuple[PretrainConfig, dict[str, Tensor] | None]:
    """Return the parameters with the teacher's hash, mean and std filled in, and the weights of the teacher's backbone.

    Raises:
        ValueError: the parameters name no weights, the file does not exist, or its architecture differs from theirs.
    """
    backbone = config.frozen_teacher
    if backbone is None:
        return config, None
    if config.teacher.weights is None:
        raise ValueError(
            f"{_KEY} is null, but pretrain.teacher.name is frozen: give the teacher's file, or the folder of its "
            "model"
        )
    path, weights, digest = read_pretrained_weights(
        config.teacher.weights, key=_KEY, root=root, wanted=Wanted(required=backbone), images=config.images
    )
    network = weights.networks["teacher"]
    check_matches(backbone_weights(network), backbone, file=f"{_KEY} {path.name}")
    for note in weights.notes:
        logger.info(note)
    logger.info("frozen teacher: %s from %s, a %s", backbone.name, path.name, weights.kind)
    mean, std = weights.normalisation or (config.mean, config.std)
    resolved = replace(config, teacher=replace(config.teacher, weights=digest), mean=mean, std=std)
    return resolved, {name: value for name, value in network.items() if not name.startswith(HEAD)}


def check_normalisation(config: PretrainConfig, others: tuple[Channels, Channels] | None) -> None:
    """Check that initial weights and frozen teacher expect the same normalisation, because both get the same crops.

    Args:
        config: with the teacher's mean and std.
        others: mean and std of the initial weights; None if unknown.

    Raises:
        ValueError: they differ.
    """
    if config.frozen_teacher is not None and others not in (None, (config.mean, config.std)):
        raise ValueError(
            f"pretrain.initial_weights are of images of mean and std {others}, and {_KEY} of "
            f"{config.mean, config.std}: start from weights of the same normalisation, or from random ones"
        )
