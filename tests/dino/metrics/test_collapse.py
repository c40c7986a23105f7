"""Each collapse is named with its cause, and nothing healthy is called one."""

import json
import math
from dataclasses import replace
from pathlib import Path

import pytest

from dino_pipeline.dino.metrics.collapse import NUM_ROWS, Settings, diagnose

SETTINGS = Settings(num_prototypes=512, student_temperature=0.1, center_momentum=0.9)
UNIFORM = math.log(512)
RESULTS = Path(__file__).parents[3] / "benchmarks" / "results"


def rows(
    entropy: float, kl: float, *, temperature: float = 0.04, momentum: float = 0.99, count: int = NUM_ROWS
):
    row = {
        "teacher_entropy": entropy,
        "kl": kl,
        "teacher_temperature": temperature,
        "teacher_momentum": momentum,
    }
    return [row] * count


@pytest.mark.parametrize(
    ("history", "settings", "kind", "remedy"),
    [
        (rows(UNIFORM - 0.001, 0.001, temperature=0.3), SETTINGS, "uniform", "teacher_temperature to 0.04"),
        (rows(UNIFORM - 0.001, 0.001, momentum=0.0), SETTINGS, "uniform", "teacher_momentum"),
        (rows(UNIFORM - 0.001, 0.001), SETTINGS, "uniform", "look at the views"),
        (
            rows(0.01, 0.001),
            replace(SETTINGS, center_momentum=1 - 1e-9),
            "one dimension",
            "center_momentum to 0.9",
        ),
        (rows(0.01, 0.001, momentum=0.5), SETTINGS, "one dimension", "teacher_momentum"),
        (
            rows(0.01, 0.001, temperature=0.01),
            SETTINGS,
            "one dimension",
            "raise pretrain.schedules.teacher_temp",
        ),
    ],
)
def test_a_collapse_is_named_with_its_likely_cause_and_what_to_change(history, settings, kind, remedy):
    collapse = diagnose(history, settings)
    assert collapse is not None
    assert collapse.kind == kind
    assert remedy in collapse.remedy
    assert "\n" not in str(collapse)


@pytest.mark.parametrize(
    "history",
    [
        [],
        rows(UNIFORM, 0.0, count=NUM_ROWS - 1),  # too young
        rows(UNIFORM, 0.5),  # undecided, and yet the student has something to learn
        rows(3.0, 0.0001),  # agreed, but on many answers
        rows(0.01, 0.001) + rows(3.0, 0.5, count=1),  # over
    ],
)
def test_anything_else_is_no_collapse(history):
    assert diagnose(history, SETTINGS) is None


def first_diagnosis(run: dict) -> str | None:
    """As training would: after every row."""
    momentum_and_temperature = {"teacher_momentum": 0.98, "teacher_temperature": 0.04}
    history = [row | momentum_and_temperature for row in run["rows"]]
    settings = replace(SETTINGS, num_prototypes=run["num_prototypes"])
    told = (diagnose(history[:end], settings) for end in range(1, len(history) + 1))
    return next((collapse.kind for collapse in told if collapse), None)


@pytest.mark.parametrize(
    ("name", "kind"), [("healthy", None), ("no_sharpening", "uniform"), ("no_centering", "one dimension")]
)
def test_measured_trainings_of_the_demo_are_told_apart(name, kind):
    assert first_diagnosis(json.loads((RESULTS / "collapse.json").read_text())[name]) == kind
