"""Verdicts on orderings, in cases worked by hand."""

import pytest
import torch

from dino_pipeline.dino.metrics.bootstrap import MeanInterval
from dino_pipeline.dino.metrics.paired_difference import PairedDifference
from dino_pipeline.experiments.compare.confidence_intervals import RowAccuracy
from dino_pipeline.experiments.compare.results import counts, verdicts


def row(
    images: tuple[float, float], seeds: tuple[float, float] | None = None, gain: float | None = None
) -> RowAccuracy:
    def interval(ends: tuple[float, float]) -> MeanInterval:
        return MeanInterval(sum(ends) / 2, *ends)

    return RowAccuracy(
        by_model=(sum(images) / 2,),
        over_images=interval(images),
        over_seeds=interval(seeds) if seeds else None,
        over_random=None if gain is None else PairedDifference(gain, gain - 0.01, gain + 0.01),
        share_correct=torch.tensor([1.0, 0.0]),
        groups=None,
    )


@pytest.mark.parametrize(
    ("better", "worse", "word"),
    [
        (row((0.7, 0.8)), row((0.5, 0.6)), "held"),
        (row((0.5, 0.6)), row((0.7, 0.8)), "reversed"),
        (row((0.5, 0.65)), row((0.6, 0.8)), "undecided"),
        (row((0.6, 0.8)), row((0.5, 0.6)), "undecided"),  # they touch
        # Apart over images, but another seed could have turned it round; and the other way about.
        (row((0.7, 0.8), (0.4, 1.1)), row((0.5, 0.6), (0.54, 0.56)), "undecided"),
        (row((0.55, 0.9), (0.7, 0.75)), row((0.4, 0.6), (0.5, 0.52)), "undecided"),
        (row((0.7, 0.8), (0.72, 0.78)), row((0.5, 0.6), (0.52, 0.58)), "held"),
        # Over seeds one row may be known and the other not.
        (row((0.7, 0.8), (0.72, 0.78)), row((0.5, 0.6)), "held"),
    ],
)
def test_a_word_is_given_only_where_every_interval_tells(
    better: RowAccuracy, worse: RowAccuracy, word: str
) -> None:
    (found,) = verdicts([("a", "b")], {"a": better, "b": worse}, incomplete=[])
    assert found.word == word


def test_a_row_without_a_number_and_one_that_lost_a_training_decide_nothing() -> None:
    rows = {"a": row((0.7, 0.8)), "b": row((0.5, 0.6))}
    assert [one.word for one in verdicts([("a", "c"), ("a", "b")], rows, incomplete=["b"])] == [
        "not measured",
        "undecided",
    ]


def test_a_comparison_counts_where_its_reference_gained_enough() -> None:
    assert counts(row((0.5, 0.6), gain=0.1), minimum_gain=0.1)
    assert not counts(row((0.5, 0.6), gain=0.09), minimum_gain=0.1)
    assert not counts(row((0.5, 0.6)), minimum_gain=0.1), "a baseline gains nothing over itself"
