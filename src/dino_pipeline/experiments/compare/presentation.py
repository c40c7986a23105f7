"""The outcome as a table for machines, one line a row and split, and as Markdown for people."""

from collections.abc import Sequence
from typing import get_args

import pandas as pd

from dino_pipeline.experiments.compare.confidence_intervals import Measured
from dino_pipeline.experiments.compare.config import Published
from dino_pipeline.experiments.compare.prediction import RowCost
from dino_pipeline.experiments.compare.results import Outcome, Row

_HELD_OUT = {"val": "validation", "test": "test"}


def frame(outcome: Outcome) -> pd.DataFrame:
    """Shares in [0, 1], blank where there is no number; published accuracies in percent, as printed."""
    lines = []
    for row in outcome.rows:
        shared = {
            "published_knn_percent": row.published.get("knn"),
            "published_linear_percent": row.published.get("linear"),
            "notes": " ".join(row.notes),
        }
        for split, found in row.splits.items():
            lines.append({"row": row.name, "split": split, **_numbers(found), **shared})
        if not row.splits:
            lines.append({"row": row.name, "split": outcome.split, "num_models": 0, **shared})
    return pd.DataFrame(lines)


def markdown(outcome: Outcome) -> str:
    """The table, the verdicts on orderings, and what the intervals are."""
    head = [
        "row",
        "models",
        *(f"k-NN {outcome.num_neighbors} {_HELD_OUT[split]}" for split in outcome.splits),
        f"over {outcome.num_images:,} images",
        "over seeds",
        "above random",
        "published k-NN",
        "published linear",
        "notes",
    ]
    lines = [f"# {outcome.name}", "", *_table(head, [_cells(row, outcome) for row in outcome.rows]), ""]
    if outcome.counts is not None:
        lines += [_counts_sentence(outcome), ""]
    if outcome.verdicts:
        lines += _table(
            ["expected", "verdict", "difference, points"],
            [
                [
                    f"{verdict.better} > {verdict.worse}",
                    verdict.word,
                    "-" if verdict.difference is None else _signed(*verdict.difference),
                ]
                for verdict in outcome.verdicts
            ],
        )
        lines.append("")
    lines.append(
        "Percent, with 95 % intervals: over images the bootstrap, over seeds Student's t. An ordering is held or "
        "reversed only where all intervals of one row lie above all of the other's. Differences are taken image by "
        "image."
    )
    return "\n".join(lines) + "\n"


def cost_table(costs: Sequence[RowCost], num_images: int | None) -> str:
    """What the rows will cost, as Markdown."""
    head = ["row", "trainings", "GFLOPs an image", "steps each", "V100 GPU-hours", "hours here"]
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
        note = "How many images there are to train on is not known before `kedro run --pipeline=ingest`."
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
        [*_table(head, rows), "", f"{note} Rows trained already are counted too, and cost nothing."]
    )


def _numbers(found: Measured) -> dict[str, object]:
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


def _cells(row: Row, outcome: Outcome) -> list[str]:
    published = [
        f"{row.published[name]:.1f}" if name in row.published else "" for name in get_args(Published)
    ]
    notes = " ".join(row.notes)
    if not row.splits:
        return [row.name, "0", *("-" for _ in outcome.splits), "-", "-", "-", *published, notes]
    found = row.splits[outcome.split]
    return [
        row.name,
        str(len(found.by_model)),
        *(f"{100 * row.splits[split].over_images.mean:.1f}" for split in outcome.splits),
        _range(found.over_images.low, found.over_images.high),
        _range(found.over_seeds.low, found.over_seeds.high) if found.over_seeds else "-",
        _signed(*found.over_random) if found.over_random else "-",
        *published,
        notes,
    ]


def _counts_sentence(outcome: Outcome) -> str:
    needed = f"{100 * outcome.minimum_gain:.0f} points above random initialisation"
    if outcome.counts:
        return f"This comparison counts: {outcome.reference} is {needed} or more."
    return f"This comparison does not count: {outcome.reference} is not {needed}."


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
