"""The report's numbers on one level for a tracker, and as a table for people."""

from typing import Any

from dino_pipeline.dino.evaluation.table import aligned


def flat_metrics(report: dict[str, Any]) -> dict[str, float]:
    """The report's numbers under one level of names: `teacher/mean_average_precision`,
    `roxford5k/medium/teacher/mean_average_precision`, ..."""
    groups = {"": report["labelled"]} | {
        f"{name}/{protocol}/": networks
        for name, protocols in report["revisited"].items()
        for protocol, networks in protocols.items()
    }
    return {
        f"{prefix}{network}/{name}": value
        for prefix, networks in groups.items()
        for network, values in networks.items()
        for name, value in values.items()
    }


def retrieval_table(report: dict[str, Any]) -> str:
    """One row a network and data set, in percent."""
    groups = {report["query_split"]: report["labelled"]} | {
        f"{name} {protocol}": networks
        for name, protocols in report["revisited"].items()
        for protocol, networks in protocols.items()
    }
    rows = [
        (f"{group} {network}", values)
        for group, networks in groups.items()
        for network, values in networks.items()
        if values
    ]
    names = list(rows[0][1]) if rows else []
    head = ["", *(name.replace("mean_average_precision", "mAP").replace("_at_", "@") for name in names)]
    lines = [
        aligned([head, *([name, *(f"{100 * values[key]:.1f}" for key in names)] for name, values in rows)])
    ]
    lines += [f"{part} skipped: {reason}" for part, reason in report["skipped"].items()]
    return "\n".join(lines)
