"""The report's numbers as a table for people."""

from typing import Any

from dino_pipeline.dino.evaluation.copy_detection.copydays import kind
from dino_pipeline.dino.evaluation.table import aligned


def copy_detection_table(report: dict[str, Any]) -> str:
    """Mean average precision in percent: one row a network and descriptor, one column a kind of attack."""
    kinds = list(dict.fromkeys(map(kind, report["num_copies"])))
    rows = [
        [f"{network} {version}", *(f"{100 * values[name]:.1f}" for name in kinds)]
        for version in ("whitened", "unwhitened")
        for network, values in report[version].items()
    ]
    return "\n".join([aligned([["", *kinds], *rows]), *report["notes"]])
