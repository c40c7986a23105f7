"""Whether the rows lie in the expected order, said only where their intervals tell."""

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from dino_pipeline.dino.metrics.paired_difference import PairedDifference, paired_difference
from dino_pipeline.experiments.compare.measured import Measured

Word = Literal["held", "reversed", "undecided", "not measured"]


class Verdict(NamedTuple):
    """On one expected ordering; the difference is None where a row has no number."""

    better: str
    worse: str
    word: Word
    difference: PairedDifference | None  # over the same images, better minus worse


def verdicts(
    expected: Sequence[tuple[str, str]], rows: Mapping[str, Measured], *, incomplete: Sequence[str]
) -> list[Verdict]:
    """A verdict on each pair of [better, worse].

    Args:
        expected: names of rows.
        rows: those that could be measured.
        incomplete: rows of which a training failed: the mean of those left flatters them.
    """
    found = []
    for better, worse in expected:
        if better not in rows or worse not in rows:
            found.append(Verdict(better, worse, "not measured", None))
            continue
        high, low = rows[better], rows[worse]
        word: Word = "undecided"
        if not {better, worse} & set(incomplete):
            word = "held" if _is_above(high, low) else "reversed" if _is_above(low, high) else "undecided"
        difference = paired_difference(low.share_correct, high.share_correct, groups=high.groups)
        found.append(Verdict(better, worse, word, difference))
    return found


def counts(reference: Measured, *, minimum_gain: float) -> bool:
    """Whether the reference learned enough for what is left out of it to be missed."""
    gain = reference.over_random
    return gain is not None and gain.difference >= minimum_gain


def _is_above(one: Measured, other: Measured) -> bool:
    """Every 95 % interval of one, over images and over seeds, lies above every one of the other."""
    return min(i.low for i in one.intervals) > max(i.high for i in other.intervals)
