"""Present the results as a table for machines (a line per row and split), as Markdown for people, and as a plot."""

from collections.abc import Sequence
from typing import get_args

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from dino_pipeline.experiments.compare.confidence_intervals import RowAccuracy
from dino_pipeline.experiments.compare.config import Published
from dino_pipeline.experiments.compare.prediction import RowCost
from dino_pipeline.experiments.compare.results import ComparisonResults, ComparisonRow
from dino_pipeline.plotting.grids import rasterised

_HELD_OUT = {"val": "validation", "test": "test"}
_IMAGES, _SEEDS, _PUBLISHED = "#1f6f8b", "#c26a1b", "#777777"


def frame(results: ComparisonResults) -> pd.DataFrame:
    """Shares in [0, 1], blank where a number is missing. Published accuracies are in percent, as printed."""
    lines = []
    for row in results.rows:
        shared = {
            "published_knn_percent": row.published.get("knn"),
            "published_linear_percent": row.published.get("linear"),
            "notes": " ".join(row.notes),
        }
        for split, found in row.splits.items():
            lines.append({"row": row.name, "split": split, **_numbers(found), **shared})
        if not row.splits:
            lines.append({"row": row.name, "split": results.split, "num_models": 0, **shared})
    return pd.DataFrame(lines)


def markdown(results: ComparisonResults) -> str:
    """The table, the verdicts on orderings, and an explanation of the intervals."""
    head = [
        "row",
        "models",
        *(f"k-NN {results.num_neighbors} {_HELD_OUT[split]}" for split in results.splits),
        f"over {results.num_images:,} images",
        "over seeds",
        "above random",
        "published k-NN",
        "published linear",
        "notes",
    ]
    lines = [f"# {results.name}", "", *_table(head, [_cells(row, results) for row in results.rows]), ""]
    if results.counts is not None:
        lines += [_counts_sentence(results), ""]
    if results.verdicts:
        lines += _table(
            ["expected", "verdict", "difference, points"],
            [
                [
                    f"{verdict.better} > {verdict.worse}",
                    verdict.word,
                    "-" if verdict.difference is None else _signed(*verdict.difference),
                ]
                for verdict in results.verdicts
            ],
        )
        lines.append("")
    lines.append(
        "Percent, with 95 % intervals: over images by the bootstrap, over seeds by Student's t. An ordering is "
        "held or reversed only if all intervals of one row lie above all of the other's. Differences are "
        "computed image by image."
    )
    return "\n".join(lines) + "\n"


def plot_results(results: ComparisonResults) -> Image.Image:
    """Plot percent on the judged split, one line per row, the first on top. Rows without a number stay empty."""
    rows = results.rows
    figure = Figure(figsize=(8, 1.4 + 0.42 * len(rows)), dpi=110, layout="tight")
    axes = figure.subplots()
    for height, row in enumerate(reversed(rows)):
        if row.splits:
            _plot_row(axes, row.splits[results.split], height, is_baseline=row.is_baseline)
        else:
            axes.annotate(
                "no model", (0.01, height), xycoords=("axes fraction", "data"), va="center", fontsize=8
            )
        if "knn" in row.published:
            axes.plot(
                row.published["knn"], height, marker="D", markersize=5, color=_PUBLISHED, fillstyle="none"
            )
    axes.set_yticks(range(len(rows)), [row.name for row in reversed(rows)], fontsize=9)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    split = "test" if results.split == "test" else "validation"
    axes.set_xlabel(f"k-NN (k = {results.num_neighbors}) on {split}, %", fontsize=9)
    axes.set_title(
        f"{results.name}: 95 % over images (blue), over seeds (orange), published (diamond)", fontsize=9
    )
    axes.grid(axis="x", alpha=0.3)
    return rasterised(figure)


def cost_table(costs: Sequence[RowCost], num_images: int | None) -> str:
    """The predicted cost of the rows, as Markdown."""
    head = ["row", "trainings", "GFLOPs per image", "steps each", "V100 GPU-hours", "hours here"]
    rows = [
        [
            cost.row,
            str(cost.num_trainings),
            f"{cost.gflops_per_image:,.3g}",
            "-" if cost.num_steps is None else f"{cost.num_steps:,}",
            _hours(cost.v100_hours),
            _hours(cost.hours_here),
        ]
        for cost in costs
    ]
    if num_images is None:
        note = "The number of train images is known after `kedro run --pipeline=ingest`."
    else:
        rows.append(
            [
                "all",
                str(sum(cost.num_trainings for cost in costs)),
                "",
                "",
                _hours(sum(cost.v100_hours or 0 for cost in costs)),
                _hours(sum(cost.hours_here or 0 for cost in costs)),
            ]
        )
        note = f"{num_images:,} train images."
    return "\n".join(
        [*_table(head, rows), "", f"{note} The cost includes rows that are already trained and cost nothing."]
    )


def _numbers(found: RowAccuracy) -> dict[str, object]:
    seeds, gain = found.over_seeds, found.over_random
    return {
        "num_models": len(found.by_model),
        "knn": found.over_images.mean,
        "image_low": found.over_images.low,
        "image_high": found.over_images.high,
        "seed_low": seeds.low if seeds else None,
        "seed_high": seeds.high if seeds else None,
        "above_random": gain.difference if gain else None,
        "above_random_low": gain.low if gain else None,
        "above_random_high": gain.high if gain else None,
        "by_model": " ".join(f"{accuracy:.6f}" for accuracy in found.by_model),
    }


def _cells(row: ComparisonRow, results: ComparisonResults) -> list[str]:
    published = [
        f"{row.published[name]:.1f}" if name in row.published else "" for name in get_args(Published)
    ]
    notes = " ".join(row.notes)
    if not row.splits:
        return [row.name, "0", *("-" for _ in results.splits), "-", "-", "-", *published, notes]
    found = row.splits[results.split]
    return [
        row.name,
        str(len(found.by_model)),
        *(f"{100 * row.splits[split].over_images.mean:.1f}" for split in results.splits),
        _range(found.over_images.low, found.over_images.high),
        _range(found.over_seeds.low, found.over_seeds.high) if found.over_seeds else "-",
        _signed(*found.over_random) if found.over_random else "-",
        *published,
        notes,
    ]


def _counts_sentence(results: ComparisonResults) -> str:
    needed = f"{100 * results.minimum_gain:.0f} points above random initialisation"
    if results.counts:
        return f"This comparison counts: {results.reference} is {needed} or more."
    return f"This comparison does not count: {results.reference} is not {needed}."


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    return [
        f"| {' | '.join(head)} |",
        f"|{'|'.join('---' for _ in head)}|",
        *(f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows),
    ]


def _range(low: float, high: float) -> str:
    return f"{100 * low:.1f} to {100 * high:.1f}"


def _signed(mean: float, low: float, high: float) -> str:
    return f"{100 * mean:+.1f} ({100 * low:+.1f} to {100 * high:+.1f})"


def _hours(hours: float | None) -> str:
    return "-" if hours is None else f"{hours:,.0f}" if hours >= 100 else f"{hours:.2g}"


def _plot_row(axes: Axes, found: RowAccuracy, height: int, *, is_baseline: bool) -> None:
    images, seeds = found.over_images, found.over_seeds
    axes.plot([100 * images.low, 100 * images.high], [height + 0.1] * 2, color=_IMAGES, linewidth=2.2)
    if seeds:
        axes.plot([100 * seeds.low, 100 * seeds.high], [height - 0.1] * 2, color=_SEEDS, linewidth=2.2)
    axes.plot(
        [100 * accuracy for accuracy in found.by_model], [height] * len(found.by_model), "|", color="#444444"
    )
    axes.plot(
        100 * images.mean,
        height,
        "o",
        color=_IMAGES,
        markersize=5,
        fillstyle="none" if is_baseline else "full",
    )
