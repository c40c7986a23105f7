"""Turn weights from elsewhere into a published model, which every stage after training can read."""

import hashlib
import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dino_pipeline.dino.core.config import to_dict
from dino_pipeline.dino.partial import partial_path
from dino_pipeline.dino.weights.foreign_weights import Channels, PretrainedWeights
from dino_pipeline.dino.weights.official import official_backbone
from dino_pipeline.dino.weights.published import IMPORTED, PublishedModel, write_model

UNKNOWN_DATA = "unknown"  # data digest of imported weights, whose training data is unknown


def describe_import(
    weights: PretrainedWeights,
    source: str,
    *,
    normalisation: tuple[Channels, Channels],
    multi_crop: Mapping[str, Any],
    recipe: str,
) -> PublishedModel:
    """Describe imported weights. The fingerprint hashes them and everything that decides their features.

    Args:
        source: the origin, without folder names, because it is published.
        normalisation: mean and std, for weights that do not record theirs.
        multi_crop: for evaluations that compare views, because weights do not record it.
        recipe: the name of the recipe for the model.
    """
    mean, std = weights.normalisation or normalisation
    channels = weights.images.channels
    if {len(mean), len(std)} != {channels}:
        raise ValueError(
            f"{source} takes images of {channels} channels, but model.mean and model.std have {len(mean)} and "
            f"{len(std)} values: set them to those of its training"
        )
    config = {
        "backbone": to_dict(weights.backbone),
        "images": to_dict(weights.images),
        "mean": list(mean),
        "std": list(std),
    }
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
    for name, state in sorted(weights.networks.items()):
        digest.update(f"{name} {tensors_digest(state)}".encode())
    imported = {
        "source": source,
        "kind": weights.kind,
        "epoch": weights.epoch,
        "published": _published(weights, source),
    }
    return PublishedModel(
        fingerprint=digest.hexdigest()[:16],
        data_digest=UNKNOWN_DATA,
        recipe=recipe,
        config=config | {"multi_crop": dict(multi_crop), IMPORTED: imported},
    )


def write_import(folder: Path, description: PublishedModel, weights: PretrainedWeights) -> None:
    """Write the model atomically. It replaces an earlier import of the same weights."""
    partial = partial_path(folder)
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    write_model(partial, description, weights.networks)
    shutil.rmtree(folder, ignore_errors=True)  # the same weights, perhaps from another recipe
    partial.rename(folder)


def tensors_digest(state: Mapping[str, Tensor]) -> str:
    """sha256 over names, shapes and values."""
    digest = hashlib.sha256()
    for name, value in sorted(state.items()):
        plain = value.detach().cpu().contiguous()
        digest.update(f"{name} {plain.dtype} {list(plain.shape)}".encode())
        digest.update(plain.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _published(weights: PretrainedWeights, source: str) -> dict[str, str | float] | None:
    """The authors' published accuracies for this network; None if they did not publish it."""
    name, _, tag = weights.backbone.name.partition(".")
    known = official_backbone(name) if not weights.backbone.options else None
    if known is None or (source.startswith("timm:") and tag != "dino"):
        return None
    return {"title": known.title, "knn": known.knn, "linear": known.linear}
