"""A comparison's results: rows with numbers and notes, then the baselines, and the verdicts."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from dino_pipeline.dino.metrics.paired_difference import PairedDifference, paired_difference
from dino_pipeline.experiments.compare.confidence_intervals import (
    RowAccuracy,
    measure_baseline,
    measure_models,
)
from dino_pipeline.experiments.compare.config import CompareConfig, Published
from dino_pipeline.experiments.compare.rows import PIXELS, RANDOM, row_names
from dino_pipeline.experiments.compare.scoring import Scores
from dino_pipeline.experiments.compare.training import Trained

Word = Literal["held", "reversed", "undecided", "not measured"]


@dataclass(frozen=True, kw_only=True)
class ComparisonRow:
    """One row of the table."""

    name: str
    splits: Mapping[str, RowAccuracy]  # empty where no training finished
    published: Mapping[Published, float]  # percent
    notes: Sequence[str]
    is_baseline: bool


class OrderingVerdict(NamedTuple):
    """The verdict on one expected ordering. The difference is None where a row has no number."""

    better: str
    worse: str
    word: Word
    difference: PairedDifference | None  # over the same images, better minus worse


@dataclass(frozen=True, kw_only=True)
class ComparisonResults:
    """Rows in their order, the baselines last.

    Attributes:
        splits: the measured splits, validation first.
        num_images: number of images in the split of the verdicts.
        counts: whether the reference gained enough over random initialisation; None without a reference.
    """

    name: str
    rows: Sequence[ComparisonRow]
    splits: Sequence[str]
    num_images: int
    num_neighbors: int
    verdicts: Sequence[OrderingVerdict]
    reference: str | None
    counts: bool | None
    minimum_gain: float

    @property
    def split(self) -> str:
        """The split of the verdicts: test, or validation where test has no labels."""
        return self.splits[-1]

    def measured_rows(self) -> dict[str, RowAccuracy]:
        """The accuracy of each measured row on the split of the verdicts."""
        return {row.name: row.splits[self.split] for row in self.rows if row.splits}


def gather_results(
    config: CompareConfig,
    scores: Mapping[str, Sequence[Scores]],
    trained: Sequence[Trained],
    splits: Sequence[str],
) -> ComparisonResults:
    """Gather the measurements into results.

    Args:
        scores: by row, the scores of its models; empty for a row whose trainings all failed.
        trained: the result of each training.
        splits: the measured splits, validation first.
    """
    rows = []
    for name in row_names(config):
        notes = [one.failure for one in trained if one.row == name and one.failure]
        collapses = [one.collapse for one in scores[name] if one.collapse]
        if collapses:
            notes.append(
                f"{len(collapses)} of {len(scores[name])} models collapsed. The first: {collapses[0]}"
            )
        rows.append(
            ComparisonRow(
                name=name,
                splits=measure_models(scores[name], splits) if scores[name] else {},
                published=config.published.get(name, {}),
                notes=notes,
                is_baseline=False,
            )
        )
    rows += _baselines(config, scores, splits)
    judged = {row.name: row.splits[splits[-1]] for row in rows if row.splits}
    failed = sorted({one.row for one in trained if one.failure})
    reference = config.reference
    return ComparisonResults(
        name=config.name,
        rows=rows,
        splits=splits,
        num_images=max((len(row.share_correct) for row in judged.values()), default=0),
        num_neighbors=config.knn.num_neighbors,
        verdicts=verdicts(config.expected, judged, incomplete=failed),
        reference=reference,
        counts=None
        if reference is None
        else reference in judged and counts(judged[reference], minimum_gain=config.minimum_gain),
        minimum_gain=config.minimum_gain,
    )


def _baselines(
    config: CompareConfig, scores: Mapping[str, Sequence[Scores]], splits: Sequence[str]
) -> list[ComparisonRow]:
    """Untrained networks, one row for each architecture, and raw pixels."""
    first_of: dict[str, tuple[str, Scores]] = {}
    for name, models in scores.items():
        for one in models:
            first_of.setdefault(one.architecture, (name, one))
    if not first_of:
        return []

    def row(name: str, one: Scores, network: str) -> ComparisonRow:
        return ComparisonRow(
            name=name,
            splits=measure_baseline(one, network, splits),
            published=config.published.get(name, {}),
            notes=(),
            is_baseline=True,
        )

    (_, first), *others = first_of.values()
    return [
        row(RANDOM, first, "random"),
        *(row(f"{RANDOM} of {name}", one, "random") for name, one in others),
        row(PIXELS, first, "pixels"),
    ]


def verdicts(
    expected: Sequence[tuple[str, str]], rows: Mapping[str, RowAccuracy], *, incomplete: Sequence[str]
) -> list[OrderingVerdict]:
    """Judge each pair of [better, worse].

    Args:
        expected: names of rows.
        rows: the measured rows.
        incomplete: rows with a failed training: the mean over the remaining models would flatter them.
    """
    found = []
    for better, worse in expected:
        if better not in rows or worse not in rows:
            found.append(OrderingVerdict(better, worse, "not measured", None))
            continue
        high, low = rows[better], rows[worse]
        word: Word = "undecided"
        if not {better, worse} & set(incomplete):
            word = "held" if _is_above(high, low) else "reversed" if _is_above(low, high) else "undecided"
        found.append(
            OrderingVerdict(
                better,
                worse,
                word,
                paired_difference(low.share_correct, high.share_correct, groups=high.groups),
            )
        )
    return found


def counts(reference: RowAccuracy, *, minimum_gain: float) -> bool:
    """Whether the reference gained enough over random initialisation for the comparison to count."""
    gain = reference.over_random
    return gain is not None and gain.difference >= minimum_gain


def _is_above(one: RowAccuracy, other: RowAccuracy) -> bool:
    """Whether every 95 % interval of `one`, over images and over seeds, lies above every interval of `other`."""
    return min(i.low for i in one.intervals) > max(i.high for i in other.intervals)
