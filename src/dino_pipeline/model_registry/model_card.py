"""The model card of a registered version, as Markdown. It contains only measured or recorded facts."""

import math
from collections.abc import Mapping
from typing import Any

from dino_pipeline.dino.weights.published import PublishedModel
from dino_pipeline.model_registry.provenance import Origin

_SPLITS = {"val": "validation", "test": "test"}
_NETWORKS = {
    "teacher": "**teacher (this model)**",
    "student": "student",
    "frozen_teacher": "the teacher of its distillation",
    "random": "baseline: random initialisation",
    "pixels": "baseline: raw pixels",
    "histogram": "baseline: colour histogram",
}
_BASELINES = ("random", "pixels", "histogram")
_SHOWN_CLASSES = 20


def model_card(
    published: PublishedModel,
    metrics: Mapping[str, Any],
    summary: Mapping[str, Any],
    origin: Origin,
    *,
    crop: int,
    commit: str,
) -> str:
    """Write the card.

    Args:
        published: the model.
        metrics: the measures of evaluation.
        summary: the summary of its images' ingestion.
        origin: the origin of its first weights.
        crop: side of the square that the model sees of an image, in pixels.
        commit: the commit of its code, and whether files differed from the commit.
    """
    config = published.config
    images = config["images"]
    learned = "imported weights" if published.imported else "pretrained without labels by DINO"
    sections = {
        "Intended use": [
            f"Embeddings of images like those of *{summary['name']}*, for search, k-NN, linear classifiers, "
            "duplicate detection, and as initial weights for fine-tuning.",
            f"Input: images of {images['channels']} channel(s), {images['bits']} bits; the model sees {crop} x "
            f"{crop} pixels. Output: one vector per image, not normalised.",
            "Not for decisions about people, and not for other kinds of images without measuring on them first.",
        ],
        "Data": _data(published, summary),
        "Metrics": [_table(metrics), *(f"{name}: {why}" for name, why in metrics["skipped"].items())],
        "Limits": _limits(published, metrics, summary),
        "Initial weights": [f"Origin: {origin.origin}.", f"Licence: {origin.licence}."],
        "Made by": [
            f"Recipe {published.recipe}, fingerprint {published.fingerprint}, commit {commit}. The MLflow run has the "
            "parameters, curves, environment and data set."
        ],
    }
    parts = [f"# {config['backbone']['name']}, {learned}"]
    for title, lines in sections.items():
        parts.append(f"## {title}")
        parts += [line if line.startswith("|") else f"- {line}" for line in lines]
    return "\n\n".join(parts).replace("\n\n- ", "\n- ") + "\n"


def _data(published: PublishedModel, summary: Mapping[str, Any]) -> list[str]:
    splits = ", ".join(f"{split} {count:,}" for split, count in summary["splits"].items())
    lines = [f"*{summary['name']}*: {summary['num_images']:,} images ({splits}), sha256 {summary['digest']}."]
    if published.imported:
        lines = [f"Training data: unknown to this project. Measured on {lines[0]}"]
    classes = summary["classes"]
    if classes:
        names = ", ".join(list(classes)[:_SHOWN_CLASSES]) + (", ..." if len(classes) > _SHOWN_CLASSES else "")
        lines.append(f"{len(classes):,} classes, used for evaluation only: {names}.")
    else:
        lines.append("No labels.")
    return lines


def _table(metrics: Mapping[str, Any]) -> str:
    """One row per measure, accuracies first and in percent; one column per network."""
    measured = metrics["val"]["teacher"] | metrics["test"]["teacher"]
    keys = sorted((key for key in measured if not key.endswith("top5")), key=_is_accuracy, reverse=True)
    networks = list(metrics["val"])
    rows = [
        [f"{key}, {title}", *(_cell(key, metrics[split][name].get(key)) for name in networks)]
        for key in keys
        for split, title in _SPLITS.items()
        if key in metrics[split]["teacher"]
    ]
    head = ["features of", *(_NETWORKS[name] for name in networks)]
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows])


def _cell(key: str, value: float | None) -> str:
    if value is None:
        return "-"
    return f"{100 * value:.1f} %" if _is_accuracy(key) else f"{value:.3g}"


def _is_accuracy(key: str) -> bool:
    return key.startswith(("knn", "linear"))


def _limits(published: PublishedModel, metrics: Mapping[str, Any], summary: Mapping[str, Any]) -> list[str]:
    limits = []
    split = next((name for name in ("test", "val") if "linear" in metrics[name]["teacher"]), None)
    if split is None:
        limits.append(
            "No accuracy was measured, because there are no labels: measure the embeddings on your own task first."
        )
    else:
        accuracy, num_images = metrics[split]["teacher"]["linear"], metrics["num_images"][split]
        error = math.sqrt(accuracy * (1 - accuracy) / num_images)
        limits.append(
            f"Accuracies are of {num_images:,} {_SPLITS[split]} images: the linear probe's standard error is "
            f"{100 * error:.1f} points. Guessing among {metrics['num_classes']} classes gives "
            f"{100 / metrics['num_classes']:.1f} %."
        )
        better = [
            f"{name} ({_cell('linear', metrics[split][name]['linear'])})"
            for name in _BASELINES
            if metrics[split][name].get("linear", 0.0) >= accuracy
        ]
        if better:
            limits.append(f"In the linear probe it is no better than: {', '.join(better)}.")
    for name, count in summary["held_out_images_also_in_train"].items():
        if count:
            limits.append(
                f"{count:,} images of {_SPLITS[name]} are also in train, so its scores are too high."
            )
    if summary["quarantined"]:
        counts = ", ".join(f"{count:,} {kind}" for kind, count in summary["quarantined"].items())
        limits.append(f"Excluded files: {counts}.")
    if not published.imported:
        limits.append(
            f"It was trained on {summary['splits']['train']:,} images and repeats their biases; it was not tested "
            "for fairness or on other sources."
        )
    return limits
