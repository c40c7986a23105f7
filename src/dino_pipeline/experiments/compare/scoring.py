"""Record which held-out images a model's features classify correctly, one by one, and the same for its baselines."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from dino_pipeline.dino.core.config import to_dict
from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.evaluation import compute
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.evaluation.features import Features
from dino_pipeline.dino.evaluation.labels import class_names, label_indices
from dino_pipeline.dino.evaluation.launch import extract
from dino_pipeline.dino.metrics.bootstrap import Groups
from dino_pipeline.dino.metrics.collapse import Settings, diagnose
from dino_pipeline.dino.metrics.knn import knn_rank_classes
from dino_pipeline.dino.partial import written_whole
from dino_pipeline.dino.training.history import HISTORY, numbers, read_rows
from dino_pipeline.dino.weights.published import evaluation_transform, read_model
from dino_pipeline.experiments.compare.config import CompareConfig

HELD_OUT = ("val", "test")


@dataclass(frozen=True, kw_only=True)
class Scores:
    """Scores of one model.

    Attributes:
        fingerprint: fingerprint of its training.
        correct: bool [images] by network (teacher, random, pixels) and split; a split without labels is left out.
        groups: groups of the images, by split.
        architecture: architecture of its backbone, which random initialisation shares.
        collapse: how its training collapsed; empty without a collapse or a history.
    """

    fingerprint: str
    correct: Mapping[str, Mapping[str, Tensor]]
    groups: Mapping[str, Groups]
    architecture: str
    collapse: str


def labelled_splits(images: Manifest) -> list[str]:
    """List the held-out splits that models can be compared on.

    Raises:
        ValueError: no held-out split has labels.
    """
    splits = [name for name in HELD_OUT if images.split(name).is_labelled]
    if not images.split("train").is_labelled or not splits:
        raise ValueError("compare needs labels of all train images and of all validation or test images")
    return splits


def score(
    model: Path, images: Manifest, extracting: ExtractConfig, config: CompareConfig, cache: Path
) -> Scores:
    """Extract a model's features and classify by k-NN, or read the result from the cache.

    Args:
        model: a published model's folder.
        cache: a folder that keeps results, so that a killed comparison continues where it stopped.
    """
    published = read_model(model)
    backbone = published.config["backbone"]
    transform = evaluation_transform(published, resize=extracting.resize, crop=extracting.crop)
    asked: dict[str, Any] = {
        "data": images.digest(),
        "extract": to_dict(extracting),
        "knn": to_dict(config.knn),
    }

    def kept(networks: tuple[str, ...], *identities: dict[str, Any]) -> dict[str, dict[str, Tensor]]:
        names = [
            hashlib.sha256(json.dumps(asked | identity, sort_keys=True).encode()).hexdigest()[:16]
            for identity in identities
        ]
        files = [cache / f"{'-'.join(networks)}-{name}.npz" for name in names]
        file = next((file for file in files if file.is_file()), files[0])
        if not file.is_file():
            correct = _measure(networks, model, images, extracting, config)
            cache.mkdir(parents=True, exist_ok=True)
            with written_whole(file) as partial, partial.open("wb") as opened:
                np.savez_compressed(opened, **correct)
        return _by_network(file)

    # All trainings of one architecture share the results of the untrained network and of pixels.
    return Scores(
        fingerprint=published.fingerprint,
        correct=kept(("teacher",), *({"model": one} for one in published.fingerprints))
        | kept(("random", "pixels"), {"backbone": backbone, "transform": to_dict(transform)}),
        groups={split: images.split(split).groups for split in labelled_splits(images)},
        architecture=json.dumps(backbone, sort_keys=True),
        collapse=_collapse(model, published.config),
    )


def _measure(
    networks: tuple[str, ...], model: Path, images: Manifest, extracting: ExtractConfig, config: CompareConfig
) -> dict[str, Any]:
    """Classify by k-NN. Returns bool [images] by `<network>/<split>`."""
    features = extract(images, model, extracting, only=networks)
    with compute.fixed_threads(extracting.num_threads):
        return {
            f"{network}/{split}": _correct(features[network], split, config)
            for network in networks
            for split in labelled_splits(images)
        }


def _by_network(file: Path) -> dict[str, dict[str, Tensor]]:
    correct: dict[str, dict[str, Tensor]] = {}
    with np.load(file) as stored:
        for name in stored.files:
            network, split = name.split("/")
            correct.setdefault(network, {})[split] = torch.from_numpy(stored[name])
    return correct


def _correct(features: Features, split: str, config: CompareConfig) -> np.ndarray:
    device = compute.device()
    train, queries = features.split("train"), features.split(split)
    classes = class_names(train)
    k = config.knn.num_neighbors
    ranked = knn_rank_classes(
        torch.from_numpy(train.embedding).to(device),
        label_indices(train, classes, device),
        torch.from_numpy(queries.embedding).to(device),
        num_neighbors=[k],
        temperature=config.knn.temperature,
    )[k]
    hits = ranked[:, 0] == label_indices(queries, classes, device)
    found: np.ndarray = hits.cpu().numpy()
    return found


def _collapse(model: Path, training: Mapping[str, Any]) -> str:
    history = model / HISTORY
    if "projection_head" not in training or not history.is_file():  # imported weights
        return ""
    collapse = diagnose([numbers(row) for row in read_rows(history)], Settings.of(training))
    return str(collapse) if collapse else ""
