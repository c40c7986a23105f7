"""The picture of validation by epoch."""

import pytest

from dino_pipeline.evaluations.fine_tune.plot import picture

RESULT = {"val_by_epoch": [0.2, 0.5, 0.4], "best_epoch": 2}


@pytest.mark.parametrize(
    "report",
    [{"results": {"teacher": RESULT, "random": RESULT}}, {"results": {}, "skipped": {"results": "why"}}],
)
def test_it_is_drawn_with_numbers_and_without(report):
    drawn = [picture(report) for _ in range(2)]
    assert drawn[0].size == (600, 360)
    assert drawn[0].tobytes() == drawn[1].tobytes()
