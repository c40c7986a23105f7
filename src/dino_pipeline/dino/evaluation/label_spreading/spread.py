"""Spread labels from labelled images to the others by weighted k-NN (arXiv:2104.14294, 4.1)."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import torch
from numpy.typing import NDArray

from dino_pipeline.dino.core.data.manifest import SPLITS, Manifest
from dino_pipeline.dino.evaluation.features import Matrix
from dino_pipeline.dino.evaluation.label_spreading.config import LabelSpreadingConfig
from dino_pipeline.dino.evaluation.label_spreading.given import Given, image_names
from dino_pipeline.dino.evaluation.table import aligned
from dino_pipeline.dino.metrics.knn import knn_votes
from dino_pipeline.dino.progress import with_progress

_QUERY_CHUNK = 4096


class Spread(NamedTuple):
    """A label for every image."""

    labels: NDArray[np.int64]  # [images], positions in the given class names
    confidence: NDArray[np.float32]  # [images], the label's share of the votes; 1 for given labels
    probabilities: NDArray[np.float32] | None  # [images, classes], shares of the votes; None if hard


def spread_labels(
    embedding: Matrix, given: Given, config: LabelSpreadingConfig, *, device: torch.device
) -> Spread:
    """Spread the given labels to all other rows of `embedding` [images, dimensions].

    Ties between classes go to the first by name.
    """
    features = torch.from_numpy(embedding).to(device)
    num_images, num_classes = len(features), len(given.class_names)
    given_positions = torch.from_numpy(given.positions).to(device)
    given_labels = torch.from_numpy(given.labels).to(device)
    bank = features[given_positions]
    labels = np.empty(num_images, dtype=np.int64)
    confidence = np.empty(num_images, dtype=np.float32)
    is_soft = config.assignment == "soft"
    probabilities = np.empty((num_images, num_classes), dtype=np.float32) if is_soft else None
    for first in with_progress(range(0, num_images, _QUERY_CHUNK), "spread labels", unit="chunks"):
        rows = slice(first, first + _QUERY_CHUNK)
        votes = knn_votes(
            bank,
            given_labels,
            features[rows],
            num_classes=num_classes,
            num_neighbors=[config.num_neighbors],
            temperature=config.temperature,
        )[config.num_neighbors]
        shares = votes / votes.sum(dim=1, keepdim=True)
        labels[rows] = shares.argmax(dim=1).cpu().numpy()
        confidence[rows] = shares.amax(dim=1).cpu().numpy()
        if probabilities is not None:
            probabilities[rows] = shares.cpu().numpy()
    labels[given.positions], confidence[given.positions] = given.labels, 1
    if probabilities is not None:
        probabilities[given.positions] = np.eye(num_classes, dtype=np.float32)[given.labels]
    return Spread(labels, confidence, probabilities)


def spread_table(manifest: Manifest, given: Given, spread: Spread) -> pa.Table:
    """One row per image of the manifest: row_id, path, split, label, confidence, source (given or spread).

    For soft labels there is also a column `probability of <class>` for each class.
    """
    names = np.array(given.class_names, dtype=np.object_)
    is_given = _is_given(manifest, given)
    columns: dict[str, Any] = {
        "row_id": manifest.row_ids,
        "path": image_names(manifest),
        "split": manifest.table["split"],
        "label": names[spread.labels],
        "confidence": spread.confidence,
        "source": np.where(is_given, "given", "spread"),
    }
    if spread.probabilities is not None:
        by_class = zip(given.class_names, spread.probabilities.T, strict=True)
        columns |= {f"probability of {name}": np.ascontiguousarray(values) for name, values in by_class}
    return pa.table(columns)


def measure_spreading(manifest: Manifest, given: Given, networks: Mapping[str, Spread]) -> dict[str, Any]:
    """Accuracy in [0, 1] on the images whose own label is known and was not given.

    Returns:
        `results`: `{split: {network: {accuracy, confident_half}}}`, the second for the half with the highest
        confidence; `num_given`, `num_classes`, `num_scored` of each split; `skipped`: split to the reason; `notes`.
    """
    splits = np.array(manifest.table["split"].to_pylist(), dtype=np.str_)
    own = np.array(manifest.labels, dtype=np.object_)
    is_hidden = ~_is_given(manifest, given) & np.array([label is not None for label in own])
    names = np.array(given.class_names, dtype=np.object_)
    report: dict[str, Any] = {"results": {}, "num_scored": {}, "skipped": {}, "notes": []}
    report |= {"num_given": len(given.positions), "num_classes": len(given.class_names)}
    for split in SPLITS:
        rows = np.flatnonzero(is_hidden & (splits == split))
        if len(rows) == 0:
            report["skipped"][split] = f"{split} has no labelled image beyond those given"
            continue
        report["num_scored"][split] = len(rows)
        report["results"][split] = {}
        for network, spread in networks.items():
            hits = names[spread.labels[rows]] == own[rows]
            # Stable sort, so that ties of confidence keep the order of rows.
            order = np.argsort(-spread.confidence[rows], kind="stable")[: (len(rows) + 1) // 2]
            report["results"][split][network] = {
                "accuracy": float(hits.mean()),
                "confident_half": float(hits[order].mean()),
            }
    strange = sorted({str(label) for label in own[is_hidden]} - set(given.class_names))
    if strange:
        report["notes"].append(
            f"{len(strange)} classes have no given label, so their images count as wrong: {', '.join(strange[:5])}"
        )
    return report


def summary(report: Mapping[str, Any]) -> str:
    """Format the report as a table, in percent."""
    splits = list(report["results"])
    rows = [["", *(f"{split} ({report['num_scored'][split]:,} images)  confident half" for split in splits)]]
    networks = list(report["results"][splits[0]]) if splits else []
    for network in networks:
        values = [report["results"][split][network] for split in splits]
        rows.append(
            [network, *(f"{100 * v['accuracy']:.1f}{100 * v['confident_half']:16.1f}" for v in values)]
        )
    lines = [f"{report['num_given']:,} labels of {report['num_classes']} classes are given"]
    lines += [aligned(rows)] if splits else []
    lines += [f"{split} not scored: {reason}" for split, reason in report["skipped"].items()]
    return "\n".join([*lines, *report["notes"]])


def _is_given(manifest: Manifest, given: Given) -> "np.ndarray[Any, np.dtype[np.bool_]]":
    is_given = np.zeros(len(manifest), dtype=np.bool_)
    is_given[given.positions] = True
    return is_given
