"""The report as a table for people."""

from collections.abc import Mapping
from typing import Any

from dino_pipeline.dino.evaluation.table import aligned


def summary(report: Mapping[str, Any], *, num_neighbors: int) -> str:
    """One row a network: k-NN and linear accuracy in percent on validation and test, or what needs no labels.

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
