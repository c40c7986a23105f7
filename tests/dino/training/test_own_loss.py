"""A training with a loss of the user's own: the example of docs/methods.md, and one that takes labels."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from dino_pipeline.dino.core.data.manifest import read_manifest
from dino_pipeline.dino.training.history import numbers, read_rows
from dino_pipeline.dino.training.validation import check
from dino_pipeline.dino.weights.published import read_model
from tests.dino.conftest import PRETRAIN, MakeSpec
from tests.own_method import shown

from .test_methods import NO_PROTOTYPES, assert_close
from .test_run import checkpoint, train, train_with_processes

WITH_LABELS = """
from dino_pipeline.dino.core.losses.loss import Loss, LossOutput


class WithLabels(Loss):
    needs_labels = True
    metrics = ("largest_label",)

    def compare(self, inputs):
        assert inputs.labels.shape == inputs.student_logits.shape[1:2]
        return LossOutput(inputs.student_logits.square().mean(), {"largest_label": inputs.labels.max().float()})


class Shadowing(Loss):
    metrics = ("kl", "gradient_norm")
"""


@pytest.fixture(autouse=True)
def _files(tiny_manifest: Path) -> Iterator[None]:
    texts = {"my_loss.py": shown("python"), "with_labels.py": WITH_LABELS}
    files = {tiny_manifest.parent / name: text for name, text in texts.items()}
    for file, text in files.items():
        file.write_text(text)
    yield
    for file in files:
        file.unlink(missing_ok=True)


def parameters(name: str, **more: object) -> dict[str, object]:
    options = {"variance_weight": 1.0} if name == "my_loss.py:MyLoss" else {}
    return {
        "loss": PRETRAIN["loss"] | {"name": name, "options": options},  # type: ignore[operator]
        "projection_head": PRETRAIN["projection_head"] | NO_PROTOTYPES,  # type: ignore[operator]
    } | more


def test_it_trains_resumes_bit_for_bit_and_is_published(
    make_spec: MakeSpec, tmp_path: Path, tiny_manifest: Path
) -> None:
    changes = {
        "pretrain": parameters("my_loss.py:MyLoss", precision="fp32"),
        "monitoring": {"num_trial_steps": 0},
    }
    assert train(make_spec(tmp_path / "whole", **changes))
    interrupted = make_spec(tmp_path / "interrupted", **changes)
    assert not train(interrupted, stop_after=7)
    assert train(interrupted)
    for name in ("teacher.safetensors", "student.safetensors", "model.json", "history.csv"):
        whole, resumed = (tmp_path / run / "finished" / name for run in ("whole", "interrupted"))
        assert whole.read_bytes() == resumed.read_bytes(), name
    assert checkpoint(tmp_path / "whole")["state.loss.mean"].any()  # its state moves, and is kept
    rows = [numbers(row) for row in read_rows(tmp_path / "whole" / "history.csv")]
    assert all(row["spread"] > 0 and "teacher_entropy" not in row for row in rows)
    # Whoever reads the model later needs no file of the loss.
    (tiny_manifest.parent / "my_loss.py").unlink()
    published = read_model(tmp_path / "whole" / "finished").config["loss"]
    assert (published["name"], published["options"]) == ("my_loss.py:MyLoss", {"variance_weight": 1.0})


@pytest.mark.full
def test_two_processes_train_what_one_does(make_spec: MakeSpec, tmp_path: Path) -> None:
    changes = {
        "pretrain": parameters("my_loss.py:MyLoss", epochs=1),
        "monitoring": {"num_trial_steps": 0},
    }
    assert train(make_spec(tmp_path / "one", **changes))
    train_with_processes(make_spec(tmp_path / "two", **changes), 2)
    assert_close(tmp_path / "one", tmp_path / "two")


def test_one_that_needs_labels_gets_them(make_spec: MakeSpec, tmp_path: Path) -> None:
    pretrain = parameters("with_labels.py:WithLabels", epochs=1)
    assert train(make_spec(tmp_path, pretrain=pretrain, monitoring={"num_trial_steps": 0}))
    rows = [numbers(row) for row in read_rows(tmp_path / "history.csv")]
    assert all(0 < row["largest_label"] <= 3 for row in rows)


@pytest.mark.parametrize(
    ("name", "options", "told"),
    [
        ("my_loss.py:MyLoss", {}, r"^pretrain\.loss\.options\.variance_weight is missing$"),
        ("with_labels.py:Shadowing", {}, r"whose metrics gradient_norm are already columns of history\.csv"),
    ],
)
def test_a_wrong_one_is_refused_before_training(
    name: str, options: dict, told: str, make_spec: MakeSpec, tmp_path: Path
) -> None:
    spec = make_spec(tmp_path, pretrain=parameters(name))
    config = replace(spec.pretrain, loss=replace(spec.pretrain.loss, options=options))
    images = read_manifest(Path(spec.manifest), Path(spec.image_root))
    with pytest.raises(ValueError, match=told):
        check(config, spec.monitoring, spec.launch, images, num_processes=1)
