"""The verdict says no more than the numbers allow."""

import math

import pytest

from dino_pipeline.dino.metrics.collapse import NUM_ROWS, Settings
from dino_pipeline.report.verdict import verdict

TRAINING = Settings(
    num_prototypes=512, student_temperature=0.1, centering="center", center_momentum=0.9, teacher_jumps=False
)
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
    return verdict(metrics, history, training=TRAINING, was_trained_here=True, num_neighbors=20)


@pytest.mark.parametrize(
    ("metrics", "tone", "words"),
    [
        (measured(0.8, 0.5), "good", "The network learned: 30.0 ± 2.0 points more than the best baseline"),
        (measured(0.6, 0.5, histogram=0.7), "unclear", "but colour histogram (70.0"),
        (measured(0.6, 0.5, histogram=0.59), "unclear", "does as well"),
        (measured(0.52, 0.5), "unclear", "No clear gain"),
        (measured(0.8, 0.5, num_images=10), "unclear", "No clear gain"),
        (measured(0.3, 0.5), "bad", "nothing useful"),
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


def test_a_collapse_outweighs_a_gain_and_is_told():
    row = {"loss": 6.24, "teacher_entropy": math.log(512), "kl": 0.0}
    judged = judge(
        measured(0.8, 0.5), [row | {"teacher_temperature": 0.04, "teacher_momentum": 0.99}] * NUM_ROWS
    )
    assert judged.tone == "bad"
    assert judged.sentences[-1].startswith("The training shows a uniform collapse")


def test_imported_weights_have_no_student_and_no_training_to_judge():
    metrics = measured(0.8, 0.5)
    del metrics["test"]["student"]
    judged = verdict(metrics, [], training=None, was_trained_here=False, num_neighbors=20)
    assert judged.tone == "good"
    assert "imported" in judged.sentences[-1]
