"""Measure retrieval: on the manifest's own classes, and on revisited data sets if there are any."""

from pathlib import Path
from typing import Any, NamedTuple

import torch

from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.evaluation.networks import Networks
from dino_pipeline.dino.evaluation.ranking import RankingScores
from dino_pipeline.dino.evaluation.retrieval.config import RetrievalConfig
from dino_pipeline.dino.evaluation.retrieval.labelled import (
    SAME_CLASS,
    describe_labelled,
    query_split,
    why_not,
)
from dino_pipeline.dino.evaluation.retrieval.revisited import describe_revisited, read_revisited
from dino_pipeline.dino.evaluation.retrieval.search import Searched
from dino_pipeline.dino.evaluation.table import aligned


class Retrieved(NamedTuple):
    """The report, and one of the searches for a picture."""

    report: dict[str, Any]
    searched: Searched
    criterion: str  # defines what is correct in the picture


def check_data(manifest: Manifest, config: RetrievalConfig, *, root: Path) -> None:
    """Check the data before any network is loaded.

    Args:
        root: start of relative paths.

    Raises:
        ValueError: the manifest has no classes to search for and no revisited data set is configured, or a configured
            one is incomplete.
    """
    reason = why_not(manifest, query_split(manifest, config))
    if reason and not any(revisited.folder for revisited in config.revisited.values()):
        raise ValueError(
            f"{reason}: retrieval needs labelled images in train and retrieval.query_split, "
            "or retrieval.revisited.<name>.folder"
        )
    for name, revisited in config.revisited.items():
        if revisited.folder is not None:
            read_revisited(name, root / revisited.folder)


def retrieve(
    manifest: Manifest,
    networks: Networks,
    config: RetrievalConfig,
    extract: ExtractConfig,
    *,
    root: Path,
    device: torch.device,
) -> Retrieved:
    """Measure every network, in shares in [0, 1], on data that `check_data` has accepted.

    Args:
        root: start of relative paths.

    Returns:
        the report has `labelled: {network: {mean_average_precision, precision_at_<k>, recall_at_<k>}}`,
        `revisited: {name: {easy | medium | hard: {network: ...}}}`, `sizes` of each search with `num_queries`,
        `num_gallery` and `num_answerable` (queries with relevant images), and `skipped` with reasons.
    """
    split = query_split(manifest, config)
    reason = why_not(manifest, split)
    report: dict[str, Any] = {
        "query_split": split,
        "labelled": {},
        "revisited": {},
        "sizes": {},
        "skipped": {"labelled": reason} if reason else {},
    }
    pictured: list[tuple[Searched, str]] = []
    if not reason:
        searched = describe_labelled(manifest, split, networks, config, extract, device=device)
        report["labelled"] = _measure(searched, SAME_CLASS, config, report["sizes"], "labelled", device)
        pictured.append((searched, SAME_CLASS))
    for name, revisited in config.revisited.items():
        if revisited.folder is None:
            continue
        searched = describe_revisited(
            name, root / revisited.folder, networks, revisited, extract, device=device
        )
        report["revisited"][name] = {
            protocol: _measure(searched, protocol, config, report["sizes"], f"{name}/{protocol}", device)
            for protocol in searched.criteria
        }
        pictured.append((searched, "medium"))
    return Retrieved(report, *pictured[0])


def _measure(
    searched: Searched,
    criterion: str,
    config: RetrievalConfig,
    sizes: dict[str, Any],
    name: str,
    device: torch.device,
) -> dict[str, dict[str, float]]:
    scores = searched.scores(criterion, cutoffs=config.cutoffs, device=device)
    sizes[name] = {
        "num_queries": len(searched.queries),
        "num_gallery": len(searched.gallery),
        "num_answerable": _num_answerable(next(iter(scores.values()))),
    }
    return {network: values.means(config.cutoffs) for network, values in scores.items()}


def _num_answerable(scores: RankingScores) -> int:
    return int((~scores.average_precision.isnan()).sum())


def flat_metrics(report: dict[str, Any]) -> dict[str, float]:
    """Flatten the report's numbers into one level of names.

    Names are `teacher/mean_average_precision`, `roxford5k/medium/teacher/mean_average_precision`, ...
    """
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
    """One row per network and data set, in percent."""
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
