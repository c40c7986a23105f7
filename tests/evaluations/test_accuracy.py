"""The line that says what a distilled model keeps of its teacher."""

import pytest

from dino_pipeline.dino.weights.published import PublishedModel
from dino_pipeline.evaluations.accuracy import kept


def model(teacher: dict[str, object]) -> PublishedModel:
    config = {
        "backbone": {"name": "resnet18_small_stem", "options": {}, "drop_path_rate": 0.0},
        "images": {"channels": 3, "bits": 8},
        "teacher": teacher,
    }
    return PublishedModel(fingerprint="f", data_digest="d", recipe="r", config=config)


LARGER = {"name": "resnet50_small_stem", "options": {}, "drop_path_rate": 0.0}


@pytest.mark.parametrize(
    ("num_test", "split", "measured", "told"),
    [
        (
            10,
            "test",
            {"knn_20": (0.6, 0.8), "linear": (0.9, 0.9)},
            "; k-NN (k=20) on test 60.0 of 80.0 (75 %); linear on test 90.0 of 90.0 (100 %)",
        ),
        (0, "val", {"knn_20": (0.6, 0.8)}, "; k-NN (k=20) on val 60.0 of 80.0 (75 %)"),
        (10, "test", {}, ""),
    ],
)
def test_parameters_and_accuracy_are_told(
    num_test: int, split: str, measured: dict[str, tuple[float, float]], told: str
) -> None:
    report = {
        "num_images": {"test": num_test},
        split: {
            "teacher": {key: own for key, (own, _) in measured.items()},
            "frozen_teacher": {key: whole for key, (_, whole) in measured.items()},
        },
    }
    # torchvision's ResNet-18 and -50 less their last layers and what a 3x3 stem saves of a 7x7 one.
    own, whole = 11_689_512 - 513_000 - 64 * 3 * 40, 25_557_032 - 2_049_000 - 64 * 3 * 40
    sizes = f"the student has {own:,} of the {whole:,} parameters of the frozen teacher, resnet50_small_stem (48 %)"
    assert kept(model({"backbone": LARGER}), report, num_neighbors=20) == [sizes + told]


@pytest.mark.parametrize("teacher", [{}, {"backbone": None}])
def test_nothing_is_told_of_a_model_that_was_not_distilled(teacher: dict[str, object]) -> None:
    assert kept(model(teacher), {}, num_neighbors=20) == []
