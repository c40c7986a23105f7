"""The tables of the report: accuracies, the data, and the training parameters that a model changed."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from dino_pipeline.report.verdict import NAMES

_ABSENT = "-"
SPLIT_NAMES = {"train": "train", "val": "validation", "test": "test"}


@dataclass(frozen=True, kw_only=True)
class Table:
    """Rows of text. All columns except the first hold numbers, and several may share a heading."""

    head: list[str]
    rows: list[list[str]]
    groups: list[tuple[str, int]]  # headings above the head, each with its number of columns


@dataclass(frozen=True, kw_only=True)
class Bar:
    """The accuracy of a network."""

    name: str
    share: float
    is_teacher: bool


@dataclass(frozen=True, kw_only=True)
class ParameterDifference:
    """A training parameter that differs from conf/base. `is_own`: also from the recipe, and not by measurement."""

    name: str
    base: str
    recipe: str
    value: str
    is_own: bool


def costs_table(
    predicted: Mapping[str, float], timing: Sequence[Mapping[str, float]], *, disk_bytes: int
) -> Table:
    """What the training was predicted to take, beside what it took; a row for what was predicted.

    Args:
        predicted: `step_seconds`, and where they could be counted `memory_bytes` and `disk_bytes`.
        timing: the rows of timing.csv.
        disk_bytes: that the training's files take.
    """
    used = {
        "step_seconds": sum(row["seconds"] for row in timing),
        "memory_bytes": max(row["memory_mb"] for row in timing) * 2**20,
        "disk_bytes": disk_bytes,
    }
    units = {
        "step_seconds": ("training steps, min", 60, "{:,.1f}"),
        "memory_bytes": ("memory of a process or GPU, GB", 1e9, "{:,.2f}"),
        "disk_bytes": ("disk, GB", 1e9, "{:,.2f}"),
    }
    rows = [
        [title, form.format(predicted[name] / unit), form.format(used[name] / unit)]
        for name, (title, unit, form) in units.items()
        if name in predicted
    ]
    return Table(head=["", "predicted", "used"], rows=rows, groups=[])


def accuracy_bars(metrics: Mapping[str, Any], split: str, num_neighbors: int) -> list[Bar]:
    """The accuracy of each network that was measured; empty without labels."""
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


def parameter_differences(
    model: Mapping[str, Any], *, base: Mapping[str, Any], recipe: Mapping[str, Any]
) -> list[ParameterDifference]:
    """The model's parameters that differ from those of conf/base or of its recipe, with both values."""
    flat, flat_base, flat_recipe = _flat(model), _flat(base), _flat(recipe)
    return [
        ParameterDifference(
            name=name,
            base=_text(flat_base, name),
            recipe=_text(flat_recipe, name),
            value=_text(flat, name),
            is_own=flat.get(name) != flat_recipe.get(name) and flat_recipe.get(name) != "measured",
        )
        for name in sorted(flat.keys() | flat_recipe.keys())
        if not flat.get(name) == flat_recipe.get(name) == flat_base.get(name)
    ]


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat.update(_flat(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = list(value) if isinstance(value, tuple) else value
    return flat


def _text(flat: Mapping[str, Any], name: str) -> str:
    if name not in flat:
        return _ABSENT
    value = flat[name]
    return f"{value:g}" if isinstance(value, float) else str(value)
