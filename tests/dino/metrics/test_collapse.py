"""Each collapse is named with its cause, and nothing healthy is called one."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from dino_pipeline.dino.metrics.collapse import NUM_ROWS, NUM_STILL_ROWS, Settings, diagnose
from dino_pipeline.recipes.reading import recipe_parameters

SETTINGS = Settings(
    num_prototypes=512, student_temperature=0.1, centering="center", center_momentum=0.9, teacher_jumps=False
)
UNIFORM = math.log(512)
RESULTS = Path(__file__).parents[3] / "benchmarks" / "results"


def swinging(momentum: float):
    return [rows(entropy, 1.0, momentum=momentum, count=1)[0] for entropy in (1.0, 3.0, 0.5, 4.0, 1.0, 5.0)]


def rows(
    entropy: float, kl: float, *, temperature: float = 0.04, momentum: float = 0.99, count: int = NUM_ROWS
):
    row = {
        "teacher_entropy": entropy,
        "kl": kl,
        "teacher_temperature": temperature,
        "teacher_momentum": momentum,
        "learning_rate": 0.01,
    }
    return [row] * count


@pytest.mark.parametrize(
    ("history", "settings", "kind", "remedy"),
    [
        (rows(UNIFORM - 0.001, 0.001, temperature=0.3), SETTINGS, "uniform", "teacher_temperature to 0.04"),
        (rows(UNIFORM - 0.001, 0.001, momentum=0.0), SETTINGS, "uniform", "teacher_momentum"),
        (rows(UNIFORM - 0.001, 0.001), SETTINGS, "uniform", "check the views"),
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
        (swinging(momentum=0.0), SETTINGS, "no stable answer", "teacher_momentum"),
        (swinging(momentum=0.99), SETTINGS, "no stable answer", "lower pretrain.schedules.learning_rate"),
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
        rows(UNIFORM, 0.0, count=NUM_STILL_ROWS - 1),  # too young
        swinging(momentum=0.0)[1:],  # too young
        [rows(entropy, 1.0, count=1)[0] for entropy in (0.5, 1.5, 2.5, 3.5, 4.5, 5.5)],  # it only rises
        rows(UNIFORM, 0.5),  # undecided, and yet the student has something to learn
        rows(0.01, 1.5),  # sure, and yet of something else for each image
        rows(3.0, 0.0001),  # agreed, but on many answers
        rows(0.01, 0.001) + rows(3.0, 0.5, count=1),  # over
    ],
)
def test_anything_else_is_no_collapse(history):
    assert diagnose(history, SETTINGS) is None


def test_a_teacher_that_is_exchanged_at_the_end_of_an_epoch_swings_in_health():
    assert diagnose(swinging(momentum=1.0), replace(SETTINGS, teacher_jumps=True)) is None


@pytest.mark.parametrize("teacher", ["momentum", "previous_epoch", "snapshot_average", "copy"])
def test_what_is_to_be_known_is_read_from_the_parameters(teacher):
    pretrain = recipe_parameters("base", {"pretrain": {"teacher": {"name": teacher}}})["pretrain"]
    settings = Settings.of(pretrain)
    assert settings is not None
    assert settings.teacher_jumps == (teacher in ("previous_epoch", "snapshot_average"))
    assert settings.num_prototypes == pretrain["projection_head"]["num_prototypes"]


def measured(file: str, expected: Callable[[str, dict], Any], **lacking: float) -> list:
    """Of each run of a result's file: its rows, what is to be known beside them, and what it is to be told as."""
    return [
        pytest.param(
            [lacking | row for row in run["rows"]],
            replace(SETTINGS, num_prototypes=run["num_prototypes"]),
            expected(name, run),
            id=name,
        )
        for name, run in json.loads((RESULTS / file).read_text()).items()
    ]


def first_diagnosis(history: list[dict], settings: Settings) -> str | None:
    """As training would: after every row."""
    told = (diagnose(history[:end], settings) for end in range(1, len(history) + 1))
    return next((collapse.kind for collapse in told if collapse), None)


@pytest.mark.parametrize(
    ("history", "settings", "collapses"),
    measured("collapse_diagnosis.json", lambda _, run: run["collapses"]),
)
def test_of_the_runs_made_for_it_all_that_collapse_are_diagnosed_and_no_other(history, settings, collapses):
    assert (first_diagnosis(history, settings) is not None) == collapses


KINDS = {
    "healthy": None,
    "no_sharpening": "uniform",
    "no_centering": "one dimension",
    "no_momentum": "no stable answer",
}


@pytest.mark.parametrize(
    ("history", "settings", "kind"),
    measured(
        "collapse.json",
        lambda name, _: KINDS[name],
        teacher_momentum=0.98,
        teacher_temperature=0.04,
        learning_rate=4e-3,
    ),
)
def test_measured_trainings_of_the_demo_are_told_apart(history, settings, kind):
    assert first_diagnosis(history, settings) == kind
