"""The loop: any number of processes, workers and interruptions end with the same model."""

import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from dino_pipeline.dino.core.config import to_dict
from dino_pipeline.dino.training.config import TrainingSpec
from dino_pipeline.dino.training.history import numbers, read_rows
from dino_pipeline.dino.training.run import pretrain
from tests.dino.conftest import PRETRAIN, MakeSpec, StopAfter

CPU = torch.device("cpu")


def train(spec: TrainingSpec, *, stop_after: float = float("inf")) -> bool:
    return pretrain(spec, CPU, StopAfter(stop_after))


def model(folder: Path, network: str) -> dict[str, torch.Tensor]:
    return load_file(folder / "finished" / f"{network}.safetensors")


def train_with_processes(spec: TrainingSpec, num_processes: int) -> None:
    file = Path(spec.folder) / "spec.json"
    file.write_text(json.dumps(to_dict(spec)))
    agent = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        f"--nproc-per-node={num_processes}",
    ]
    command = [*agent, "-m", "dino_pipeline.dino.training.worker", str(file)]
    subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, timeout=300)


@pytest.fixture(scope="module")
def alone(make_spec: MakeSpec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny training in float64, batch norm in the head, one process, undisturbed."""
    folder = tmp_path_factory.mktemp("alone")
    assert train(make_spec(folder))
    return folder


def checkpoint(folder: Path) -> dict[str, torch.Tensor]:
    """All floating-point tensors of the last checkpoint, by dotted name."""

    def walk(value: object, prefix: str) -> dict[str, torch.Tensor]:
        if isinstance(value, dict):
            return {k: v for name, child in value.items() for k, v in walk(child, f"{prefix}.{name}").items()}
        return {prefix: value} if isinstance(value, torch.Tensor) and value.is_floating_point() else {}

    return walk(torch.load(folder / "last.pt", weights_only=True)["state"], "state")


def test_two_processes_train_what_one_does(alone: Path, make_spec: MakeSpec, tmp_path: Path) -> None:
    train_with_processes(make_spec(tmp_path), 2)
    one, two = checkpoint(alone), checkpoint(tmp_path)
    assert set(one) == set(two)
    for name, value in one.items():
        torch.testing.assert_close(
            two[name], value, atol=1e-8, rtol=0, msg=lambda text, n=name: f"{n}: {text}"
        )
    for row, other in zip(read_rows(alone / "history.csv"), read_rows(tmp_path / "history.csv"), strict=True):
        assert numbers(other) == pytest.approx(numbers(row), abs=1e-6)


@pytest.mark.parametrize("stopped_after", [3, 5], ids=["mid-epoch", "epoch end"])
def test_a_resumed_training_is_an_undisturbed_one_bit_for_bit(
    make_spec: MakeSpec, tmp_path: Path, stopped_after: int
) -> None:
    changes = {"pretrain": {"precision": "fp32"}}
    assert train(make_spec(tmp_path / "whole", **changes))
    interrupted = make_spec(tmp_path / "interrupted", **changes)
    assert not train(interrupted, stop_after=stopped_after)
    assert train(interrupted)
    for name in ("teacher.safetensors", "student.safetensors", "model.json", "history.csv"):
        whole, resumed = (tmp_path / run / "finished" / name for run in ("whole", "interrupted"))
        assert whole.read_bytes() == resumed.read_bytes(), name


def test_adopted_progress_goes_on_to_the_end_of_its_new_training(make_spec: MakeSpec, tmp_path: Path) -> None:
    assert not train(make_spec(tmp_path), stop_after=7)  # of 10
    # Progress is adopted by copying it: the checkpoint bears the fingerprint of the training it comes from.
    longer = replace(make_spec(tmp_path, pretrain={"epochs": 3}), fingerprint="another")
    too_short = replace(make_spec(tmp_path, pretrain={"epochs": 1}), fingerprint="yet another")
    with pytest.raises(
        ValueError, match=r"has 7 steps, but this training ends after 5: raise pretrain\.epochs"
    ):
        train(too_short)
    assert train(longer)
    assert read_rows(tmp_path / "history.csv")[-1]["step"] == "15"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"projection_head": PRETRAIN["projection_head"] | {"num_prototypes": 64}}, "num_prototypes"),
        ({"teacher": PRETRAIN["teacher"] | {"name": "peer"}}, "teacher.name"),
    ],
)
def test_progress_of_other_networks_is_refused_by_what_differs(
    make_spec: MakeSpec, tmp_path: Path, changes: dict, named: str
) -> None:
    assert not train(make_spec(tmp_path), stop_after=7)
    other = replace(make_spec(tmp_path, pretrain=changes), fingerprint="another")
    with pytest.raises(
        ValueError, match=rf"adopt_progress: that progress belongs to other networks.*{named}"
    ):
        train(other)


def test_a_training_that_augments_on_the_device_learns_from_the_same_views(
    make_spec: MakeSpec, tmp_path: Path
) -> None:
    losses = []
    for on_device in (False, True):
        folder = tmp_path / str(on_device)
        assert train(make_spec(folder, pretrain={"epochs": 1}, launch={"augment_on_device": on_device}))
        losses.append([numbers(row)["loss"] for row in read_rows(folder / "history.csv")])
    assert losses[0] != losses[1]  # by rounding
    assert losses[0] == pytest.approx(losses[1], rel=1e-2)


def test_loader_workers_change_nothing(make_spec: MakeSpec, tmp_path: Path) -> None:
    changes = {"epochs": 1, "precision": "fp32"}
    for workers in (0, 2):
        spec = make_spec(tmp_path / str(workers), pretrain=changes, launch={"loader_workers": workers})
        assert train(spec)
    for name in ("teacher.safetensors", "history.csv"):
        contents = [(tmp_path / workers / "finished" / name).read_bytes() for workers in ("0", "2")]
        assert contents[0] == contents[1], name


@pytest.fixture(scope="module")
def without_batch_norm(
    make_spec: MakeSpec, tmp_path_factory: pytest.TempPathFactory
) -> tuple[dict[str, object], Path]:
    """Parameters without batch norm, and the progress folder of a training with them."""
    folder = tmp_path_factory.mktemp("without_batch_norm")
    head = to_dict(make_spec(folder).pretrain.projection_head) | {"batch_norm": False}
    changes = {"epochs": 1, "projection_head": head}
    assert train(make_spec(folder, pretrain=changes))
    return changes, folder


def test_two_parts_accumulated_are_one_batch(
    without_batch_norm: tuple[dict[str, object], Path], make_spec: MakeSpec, tmp_path: Path
) -> None:
    changes, whole = without_batch_norm
    assert train(make_spec(tmp_path, pretrain=changes | {"accumulation_steps": 2}))
    one, two = checkpoint(whole), checkpoint(tmp_path)
    for name, value in one.items():
        torch.testing.assert_close(
            two[name], value, atol=1e-8, rtol=0, msg=lambda text, n=name: f"{n}: {text}"
        )


@pytest.mark.full
def test_accumulation_over_two_processes_is_one_batch(
    without_batch_norm: tuple[dict[str, object], Path], make_spec: MakeSpec, tmp_path: Path
) -> None:
    changes, whole = without_batch_norm
    train_with_processes(make_spec(tmp_path, pretrain=changes | {"accumulation_steps": 2}), 2)
    one, two = checkpoint(whole), checkpoint(tmp_path)
    for name, value in one.items():
        torch.testing.assert_close(
            two[name], value, atol=1e-8, rtol=0, msg=lambda text, n=name: f"{n}: {text}"
        )


@pytest.mark.full
@pytest.mark.parametrize("optimizer", ["adamw", "sgd", "lars"])
def test_weights_sharded_over_two_processes_train_what_one_does(
    optimizer: str, make_spec: MakeSpec, tmp_path: Path
) -> None:
    usual = to_dict(make_spec(tmp_path).pretrain.optimizer)
    changes = {"pretrain": {"optimizer": usual | {"name": optimizer}}}
    assert train(make_spec(tmp_path / "one", **changes))
    # Stopped half-way unsharded, finished sharded: whole tensors lie in every checkpoint.
    assert not train(make_spec(tmp_path / "two", **changes), stop_after=5)
    options = {"shard_weights": True, "gradient_checkpointing": True}
    train_with_processes(make_spec(tmp_path / "two", **changes, launch=options), 2)
    one, two = checkpoint(tmp_path / "one"), checkpoint(tmp_path / "two")
    assert set(one) == set(two)
    for name, value in one.items():
        torch.testing.assert_close(
            two[name], value, atol=1e-8, rtol=0, msg=lambda text, n=name: f"{n}: {text}"
        )
    assert set(model(tmp_path / "one", "teacher")) == set(model(tmp_path / "two", "teacher"))


def test_checkpointed_activations_change_nothing(
    without_batch_norm: tuple[dict[str, object], Path], make_spec: MakeSpec, tmp_path: Path
) -> None:
    changes, whole = without_batch_norm
    assert train(make_spec(tmp_path, pretrain=changes, launch={"gradient_checkpointing": True}))
    one, two = checkpoint(whole), checkpoint(tmp_path)
    assert all(torch.equal(two[name], value) for name, value in one.items())


@pytest.mark.full
def test_a_compiled_training_goes_on_from_a_plain_ones_checkpoint_over_two_processes(
    without_batch_norm: tuple[dict[str, object], Path], make_spec: MakeSpec, tmp_path: Path
) -> None:
    changes, whole = without_batch_norm
    assert not train(make_spec(tmp_path, pretrain=changes), stop_after=2)
    train_with_processes(make_spec(tmp_path, pretrain=changes, launch={"compile": True}), 2)
    one, two = checkpoint(whole), checkpoint(tmp_path)
    assert set(one) == set(two)
    for name, value in one.items():
        torch.testing.assert_close(
            two[name], value, atol=1e-6, rtol=0, msg=lambda text, n=name: f"{n}: {text}"
        )


def test_trial_steps_leave_no_trace(make_spec: MakeSpec, tmp_path: Path) -> None:
    for trials in (0, 3):
        monitoring = {"num_trial_steps": trials}
        assert train(make_spec(tmp_path / str(trials), pretrain={"epochs": 1}, monitoring=monitoring))
    without, with_trials = model(tmp_path / "0", "student"), model(tmp_path / "3", "student")
    assert all(torch.equal(without[name], value) for name, value in with_trials.items())


def test_a_budget_fits_steps_and_schedules_and_a_resume_keeps_them(
    make_spec: MakeSpec, tmp_path: Path
) -> None:
    spec = make_spec(tmp_path, pretrain={"epochs": 100_000, "max_hours": 6 / 3600})
    assert not train(spec, stop_after=2)
    planned = torch.load(tmp_path / "last.pt", weights_only=True)["num_steps"]
    assert planned < 5 * 100_000  # and not the days that 100,000 epochs would take
    assert train(spec)
    rows = [numbers(row) for row in read_rows(tmp_path / "history.csv")]
    assert rows[-1]["step"] == planned > 2
    # The schedules end with the run, of however few steps: the last one is one step short of their ends.
    warmup = round(0.2 * planned)
    learning_rate = one_step_before_the_end(0.03 * 8 / 256, 1e-5, num_steps=planned - warmup)
    assert rows[-1]["learning_rate"] == pytest.approx(learning_rate)
    assert rows[-1]["teacher_momentum"] == pytest.approx(one_step_before_the_end(0.9, 1.0, num_steps=planned))


def one_step_before_the_end(start: float, end: float, *, num_steps: int) -> float:
    """Of a half cosine."""
    return end + (start - end) * (1 - math.cos(math.pi / num_steps)) / 2


def test_the_history_holds_schedules_and_online_evaluation(alone: Path) -> None:
    rows = [numbers(row) for row in read_rows(alone / "history.csv")]
    assert [row["step"] for row in rows] == [2, 4, 5, 6, 8, 10]
    assert [row["images_seen"] for row in rows] == [16, 32, 40, 48, 64, 80]
    at_epoch_ends = [row for row in rows if "knn_teacher" in row]
    assert [row["epoch"] for row in at_epoch_ends] == [1, 2]
    assert all(0 <= row["knn_student"] <= 1 for row in at_epoch_ends)
    for row in rows:
        assert row["loss"] == pytest.approx(row["teacher_entropy"] + row["kl"])


@pytest.mark.parametrize(
    ("backbone", "precision", "optimizer"),
    [
        ("resnet10t", "fp32", "sgd"),
        ("resnet10t", "fp32", "lars"),
        ("vit_tiny_patch16_224", "bf16", "adamw"),
        ("vit_tiny_patch16_224", "fp16", "adamw"),
    ],
)
def test_convnets_and_vits_train_in_either_precision(
    make_spec: MakeSpec, tmp_path: Path, backbone: str, precision: str, optimizer: str
) -> None:
    usual = to_dict(make_spec(tmp_path).pretrain)
    options = usual["backbone"]["options"] if backbone.startswith("vit") else {}
    changes = {
        "epochs": 4 if precision == "fp16" else 1,  # its scale takes some steps to settle, which are skipped
        "precision": precision,
        "backbone": {"name": backbone, "options": options, "drop_path_rate": 0.0},
        "optimizer": usual["optimizer"] | {"name": optimizer},
    }
    assert train(make_spec(tmp_path, pretrain=changes))
    teacher, student = model(tmp_path, "teacher"), model(tmp_path, "student")
    assert all(torch.isfinite(value).all() for value in teacher.values())
    assert any(not torch.equal(teacher[name], student[name]) for name in teacher)
