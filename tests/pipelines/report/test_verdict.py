"""The verdict says no more than the numbers allow."""

import math

import pytest

from dino_pipeline.dino.metrics.collapse import CollapseConfig, collapsed
from dino_pipeline.pipelines.report.verdict import verdict

COLLAPSE = CollapseConfig(uniform_margin=0.01, uniform_kl=0.01, one_dimension_entropy=0.1)
HEALTHY = [
    {"loss": 5.0, "teacher_entropy": 3.0, "kl": 2.0},
    {"loss": 4.0, "teacher_entropy": 3.0, "kl": 1.0},
]


def measured(teacher, random, pixels=0.3, histogram=0.3, student=0.3, num_images=1000):
    values = {
        "teacher": teacher,
        "student": student,
        "random": random,
        "pixels": pixels,
        "histogram": histogram,
    }
    return {
        "test": {name: {"knn_20": accuracy} for name, accuracy in values.items()},
        "num_images": {"test": num_images},
        "num_classes": 10,
    }


def judge(metrics, history=HEALTHY):
    return verdict(metrics, history, num_prototypes=512, num_neighbors=20, collapse=COLLAPSE)


@pytest.mark.parametrize(
    ("metrics", "tone", "words"),
    [
        (measured(0.8, 0.5), "good", "DINO learned: 30.0 ± 2.0 points more than the best baseline"),
        (measured(0.6, 0.5, histogram=0.7), "unclear", "but colour histogram (70.0"),
        (measured(0.6, 0.5, histogram=0.59), "unclear", "does as well"),
        (measured(0.52, 0.5), "unclear", "No clear gain"),
        (measured(0.8, 0.5, num_images=10), "unclear", "No clear gain"),
        (measured(0.3, 0.5), "bad", "nothing of use"),
    ],
)
def test_a_gain_counts_only_beyond_the_error_of_so_many_images(metrics, tone, words):
    judged = judge(metrics)
    assert judged.tone == tone
    assert words in judged.sentences[0]


def test_the_standard_error_is_that_of_two_shares():
    error = 100 * math.sqrt((0.8 * 0.2 + 0.5 * 0.5) / 1000)
    assert f"30.0 ± {error:.1f} points" in judge(measured(0.8, 0.5)).sentences[0]


def test_a_student_far_ahead_of_its_teacher_is_told_of():
    assert any(
        "lower the teacher's momentum" in text for text in judge(measured(0.6, 0.3, student=0.8)).sentences
    )
    assert not any("momentum" in text for text in judge(measured(0.6, 0.3, student=0.61)).sentences)


@pytest.mark.parametrize(
    ("entropy", "kl", "words"),
    [
        (math.log(512) - 0.005, 0.002, "uniform"),
        (math.log(512) - 0.005, 0.5, None),  # undecided, and yet the student has something to learn
        (0.05, 0.001, "one dimension"),
        (3.0, 0.001, None),
    ],
)
def test_each_collapse_is_told_apart_from_a_healthy_training(entropy, kl, words):
    rows = [{"loss": entropy + kl, "teacher_entropy": entropy, "kl": kl}]
    told = collapsed(rows, num_prototypes=512, config=COLLAPSE)
    assert (told is None) if words is None else (words in told)


def test_a_collapse_outweighs_a_gain():
    rows = [{"loss": 6.24, "teacher_entropy": math.log(512), "kl": 0.0}]
    assert judge(measured(0.8, 0.5), rows).tone == "bad"


def test_imported_weights_have_no_student_and_no_training_to_judge():
    metrics = measured(0.8, 0.5)
    del metrics["test"]["student"]
    judged = verdict(metrics, [], num_prototypes=None, num_neighbors=20, collapse=COLLAPSE)
    assert judged.tone == "good"
    assert "imported" in judged.sentences[-1]
