"""All measures of stored features, for the teacher and the networks and baselines to compare it with."""

from collections.abc import Mapping
from typing import Any

import torch

from dino_pipeline.dino.evaluation.config import EvaluateConfig
from dino_pipeline.dino.evaluation.features import Features
from dino_pipeline.dino.evaluation.labels import class_names, label_indices, missing_labels
from dino_pipeline.dino.evaluation.linear_probe.config import LinearProbeConfig
from dino_pipeline.dino.evaluation.linear_probe.probes import (
    LabelledFeatures,
    LinearProbes,
    score_linear_probes,
)
from dino_pipeline.dino.evaluation.table import aligned
from dino_pipeline.dino.metrics.feature_statistics import effective_rank, feature_std
from dino_pipeline.dino.metrics.knn import knn_accuracy
from dino_pipeline.dino.progress import with_progress

HELD_OUT = ("val", "test")


def measure(
    networks: Mapping[str, Features],
    probes: Mapping[str, LinearProbes],
    config: EvaluateConfig,
    probe_config: LinearProbeConfig,
    *,
    device: torch.device,
) -> dict[str, Any]:
    """Compute the measures: numbers in [0, 1], under `val` and `test`, then the name of the network.

    Args:
        networks: features by the network's name.
        probes: linear classifiers by the network's name; empty if train has no labels.
        config: of the measures.
        probe_config: the configuration that the probes were trained with.
        device: to compute on.

    Returns:
        `val` and `test`: `{network: {knn_20, knn_20_top5, linear, feature_std, effective_rank, ...}}`, the
        same names for every network; `linear_learning_rate` as chosen on val; `num_images`, `num_classes`;
        `skipped`: measure to the reason why it is missing; `notes`: remarks for the reader.
    """
    any_features = next(iter(networks.values()))
    train_labels = any_features.split("train").labels
    classes = class_names(any_features.split("train"))
    skipped = _skipped(any_features)
    report: dict[str, Any] = {split: {} for split in HELD_OUT}
    report["linear_learning_rate"] = {}
    for name, features in with_progress(list(networks.items()), "evaluate", unit="networks"):
        splits = {split: features.split(split) for split in ("train", *HELD_OUT)}
        for split in HELD_OUT:
            report[split][name] = _statistics(splits[split], device)
            if f"{split}/knn" not in skipped:
                report[split][name] |= _knn(splits["train"], splits[split], classes, config, device)
        if name in probes and "val/linear" not in skipped:
            val, test = (_labelled(splits[split], classes, device) for split in HELD_OUT)
            result = score_linear_probes(
                LinearProbes(*(tensor.to(device) for tensor in probes[name])),
                probe_config.learning_rates,
                val,
                None if "test/linear" in skipped else test,
            )
            report["val"][name]["linear"] = result.val
            if result.test is not None:
                report["test"][name]["linear"] = result.test
            report["linear_learning_rate"][name] = result.learning_rate
    report["num_images"] = {split: len(any_features.split(split)) for split in ("train", *HELD_OUT)}
    report["num_classes"] = len(classes)
    report["skipped"] = skipped
    took_knn = any(f"{split}/knn" not in skipped for split in HELD_OUT)
    report["notes"] = _notes(len(train_labels), config) if took_knn else []
    return report


def _skipped(features: Features) -> dict[str, str]:
    """Measures whose labels are missing, each with its reason."""
    reasons = missing_labels(features)
    skipped = {}
    for split in HELD_OUT:
        reason = reasons.get("train") or reasons.get(split)
        if reason:
            skipped[f"{split}/knn"] = skipped[f"{split}/linear"] = reason
    if "val" in reasons and "test/linear" not in skipped:
        skipped["test/linear"] = f"its learning rate is chosen on validation, and {reasons['val']}"
    return skipped


def _statistics(features: Features, device: torch.device) -> dict[str, float]:
    if len(features) == 0:
        return {}
    embedding = torch.from_numpy(features.embedding).to(device)
    return {"feature_std": feature_std(embedding), "effective_rank": effective_rank(embedding)}


def _knn(
    train: Features, queries: Features, classes: list[str], config: EvaluateConfig, device: torch.device
) -> dict[str, float]:
    accuracies = knn_accuracy(
        torch.from_numpy(train.embedding).to(device),
        label_indices(train, classes, device),
        torch.from_numpy(queries.embedding).to(device),
        label_indices(queries, classes, device),
        num_neighbors=config.knn.num_neighbors,
        temperature=config.knn.temperature,
    )
    values = {}
    for k, accuracy in accuracies.items():
        values[f"knn_{k}"] = accuracy.top1
        values[f"knn_{k}_top5"] = accuracy.top5
    return values


def _labelled(features: Features, classes: list[str], device: torch.device) -> LabelledFeatures:
    return LabelledFeatures(
        torch.from_numpy(features.for_linear_probe).to(device), label_indices(features, classes, device)
    )


def _notes(num_train: int, config: EvaluateConfig) -> list[str]:
    clipped = [k for k in config.knn.num_neighbors if k > num_train]
    return [f"k-NN with k = {k} uses all {num_train:,} train images" for k in clipped]


def summary(report: Mapping[str, Any], *, num_neighbors: int) -> str:
    """One row per network: k-NN and linear accuracy in percent on validation and test, or the measures without labels.

    Args:
        report: what `measures.measure` returns.
        num_neighbors: the k whose accuracy is shown.
    """
    columns = [
        (f"{title} {split}", split, key, factor)
        for title, key, factor in (
            (f"k-NN (k={num_neighbors})", f"knn_{num_neighbors}", 100),
            ("linear", "linear", 100),
            ("feature std", "feature_std", 1),
            ("effective rank", "effective_rank", 1),
        )
        for split in ("val", "test")
    ]
    has_accuracies = any(
        f"knn_{num_neighbors}" in row for split in ("val", "test") for row in report[split].values()
    )
    shown = columns[:4] if has_accuracies else columns[4:]
    head = ["", *(title for title, *_ in shown)]
    rows = [
        [name, *(_number(report[split][name].get(key), factor) for _, split, key, factor in shown)]
        for name in report["test"]
    ]
    lines = [aligned([head, *rows])]
    lines += [f"{measure} skipped: {reason}" for measure, reason in report["skipped"].items()]
    lines += report["notes"]
    return "\n".join(lines)


def _number(value: float | None, factor: int) -> str:
    if value is None:
        return "-"
    return f"{factor * value:.1f}" if factor == 100 else f"{value:.3g}"
