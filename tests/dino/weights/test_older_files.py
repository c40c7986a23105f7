"""What files of before mean today: they lack a field, and are read as those that name its value of then."""

from collections.abc import Mapping
from typing import Any

import pytest

from dino_pipeline.dino.weights import older_files
from dino_pipeline.dino.weights.older_files import completed

TABLE: Mapping[str, Any] = {
    "pretrain.teacher.name": "momentum",
    "pretrain.predictor": {"num_layers": 0},
    "launch.compile": False,
}


@pytest.fixture(autouse=True)
def table(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(older_files, "LATER_FIELDS", TABLE)
    monkeypatch.setattr(older_files, "RENAMED_VALUES", {"pretrain.teacher.name": {"ema": "momentum"}})


def test_what_is_missing_gets_its_value_of_then_and_what_is_there_stays() -> None:
    of_before = {
        "recipe": "r",
        "pretrain": {"seed": 1, "teacher": {"weights": None}},
        "launch": {"compile": True},
    }
    assert completed(of_before) == {
        "recipe": "r",
        "pretrain": {
            "seed": 1,
            "teacher": {"weights": None, "name": "momentum"},
            "predictor": {"num_layers": 0},
        },
        "launch": {"compile": True},
    }
    assert of_before["pretrain"] == {"seed": 1, "teacher": {"weights": None}}


def test_parts_that_a_file_does_not_have_stay_away_and_what_is_null_stays_null() -> None:
    assert completed({"pretrain": {"teacher": None}}) == {
        "pretrain": {"teacher": None, "predictor": {"num_layers": 0}}
    }


def test_a_value_of_before_gets_its_name_of_today() -> None:
    renamed = completed({"pretrain": {"teacher": {"name": "ema"}}})
    assert renamed["pretrain"]["teacher"]["name"] == "momentum"
    assert completed({"recipe": "r"}) == {"recipe": "r"}
