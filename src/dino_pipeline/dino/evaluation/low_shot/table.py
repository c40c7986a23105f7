"""The report as a table for people."""

from collections.abc import Mapping
from typing import Any

_TITLES = {"logistic_regression": "logistic regression", "knn": "k-NN"}


def table(report: Mapping[str, Any]) -> str:
    """A row a classifier and network, a column a share of the labels: percent on test, else on validation."""
    shares = list(report["results"])
    split = "val" if "test" in report["skipped"] else "test"
    rows = [["", *(_title(report, share) for share in shares)]]
    networks = list(report["results"][shares[0]]) if shares else []
    for classifier, title in _TITLES.items():
        for network in networks:
            cells = [_cell(report["results"][share][network][classifier], split) for share in shares]
            rows.append([f"{title}, {network}", *cells])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()
        for row in (rows if shares else [])
    ]
    lines += [f"{what} skipped: {reason}" for what, reason in report["skipped"].items()]
    return "\n".join([*lines, *report["notes"]])


def _title(report: Mapping[str, Any], share: str) -> str:
    return f"{share.removesuffix('_percent')} % ({report['num_labels'][share]:,} labels)"


def _cell(measured: Mapping[str, Any], split: str) -> str:
    mean, half_width = measured[split], measured[f"{split}_interval"]
    return f"{100 * mean:.1f}" if half_width is None else f"{100 * mean:.1f} ± {100 * half_width:.1f}"
