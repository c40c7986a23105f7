"""The picture of accuracies against labels."""

import pytest

from dino_pipeline.evaluations.low_shot.plot import picture

MEASURED = {"val": 0.5, "val_interval": 0.1, "test": 0.4, "test_interval": None, "chosen": [1.0]}
RESULTS = {
    share: {"teacher": {"logistic_regression": MEASURED, "knn": MEASURED}}
    for share in ("100_percent", "1_percent")
}
REPORT = {"results": RESULTS, "num_labels": {"100_percent": 500, "1_percent": 5}, "skipped": {}}


@pytest.mark.parametrize("report", [REPORT, {"results": {}, "skipped": {"results": "no labels"}}])
def test_it_is_drawn_with_numbers_and_without(report):
    drawn = [picture(report) for _ in range(2)]
    assert drawn[0].size == (900, 360)
    assert drawn[0].tobytes() == drawn[1].tobytes()
