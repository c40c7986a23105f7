"""Numbers as the page's tables show them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from dino_pipeline.report.verdict import NAMES

SPLIT_NAMES = {"train": "train", "val": "validation", "test": "test"}


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of text; all columns but the first hold numbers, and several may share a heading."""

    head: list[str]
    rows: list[list[str]]
    groups: list[tuple[str, int]]  # headings above the head, each with its number of columns


@dataclass(frozen=True, kw_only=True)
class Bar:
    """One network's accuracy."""

    name: str
    share: float
    is_teacher: bool


def accuracy_bars(metrics: Mapping[str, Any], split: str, num_neighbors: int) -> list[Bar]:
    """Of all networks that were measured, none where there are no labels."""
    key = f"knn_{num_neighbors}"
    return [
        Bar(name=NAMES.get(name, name), share=values[key], is_teacher=name == "teacher")
        for name, values in metrics[split].items()
        if key in values
    ]


def measures_table(metrics: Mapping[str, Any], num_neighbors: int) -> Table:
    """Every network's accuracies in percent, on validation and test, and the shape of its features."""
    measures = (
        (f"knn_{num_neighbors}", f"k-NN, k = {num_neighbors}, %", "{:.1f}", 100),
        ("linear", "linear probe, %", "{:.1f}", 100),
        ("effective_rank", "effective rank", "{:.1f}", 1),
        ("feature_std", "feature std", "{:.3f}", 1),
    )
    columns, groups = [], []
    for key, title, form, factor in measures:
        splits = [s for s in ("val", "test") if any(key in values for values in metrics[s].values())]
        columns += [(split, key, form, factor) for split in splits]
        groups += [(title, len(splits))] if splits else []

    def cell(name: str, split: str, key: str, form: str, factor: int) -> str:
        value = metrics[split][name].get(key)
        return "-" if value is None else form.format(factor * value)

    return Table(
        head=["features of", *(SPLIT_NAMES[split] for split, *_ in columns)],
        rows=[
            [NAMES.get(name, name), *(cell(name, *column) for column in columns)] for name in metrics["val"]
        ],
        groups=groups,
    )


def splits_table(summary: Mapping[str, Any]) -> Table:
    """How many images each split has."""
    rows = [[SPLIT_NAMES[split], f"{count:,}"] for split, count in summary["splits"].items()]
    return Table(head=["split", "images"], rows=[*rows, ["all", f"{summary['num_images']:,}"]], groups=[])


def sizes_table(summary: Mapping[str, Any]) -> Table:
    """Quantiles of the images' sizes."""
    units = {"width": "width, px", "height": "height, px", "bytes": "file, bytes"}
    return Table(
        head=["", *summary["quantiles"]["width"]],
        rows=[
            [unit, *(f"{value:,}" for value in summary["quantiles"][name].values())]
            for name, unit in units.items()
        ],
        groups=[],
    )
