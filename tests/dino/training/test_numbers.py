"""Bad numbers, lost images, killed workers: a training goes on where it can, and says what happened where not."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from dino_pipeline.dino.core.batches import ToFloats
from dino_pipeline.dino.core.config import to_dict
from dino_pipeline.dino.core.data.addressing import Domain, generator_at
from dino_pipeline.dino.core.data.loader import MultiCropBatch
from dino_pipeline.dino.core.optimization.skipping import NonFiniteError
from dino_pipeline.dino.training.config import TrainingSpec
from dino_pipeline.dino.training.history import numbers, read_rows
from dino_pipeline.dino.training.monitor import CollapseError
from dino_pipeline.dino.training.run import pretrain
from tests.dino.conftest import PRETRAIN, MakeSpec, constant

CPU = torch.device("cpu")
QUICK = {"evaluate_every_epochs": 1000, "num_trial_steps": 0}


class NeverStop:
    def agreed(self) -> bool:
        return False


def train(spec: TrainingSpec) -> None:
    assert pretrain(spec, CPU, NeverStop())


def bad_pixels(monkeypatch: pytest.MonkeyPatch, is_bad: Callable[[int], bool]) -> None:
    """From here on, the crops of such calls (from 1) are infinitely bright."""
    true, calls = ToFloats.__call__, 0

    def to_floats(self: ToFloats, batch: MultiCropBatch) -> tuple[torch.Tensor, torch.Tensor, None]:
        nonlocal calls
        calls += 1
        global_crops, local_crops, _ = true(self, batch)
        return global_crops * float("inf") if is_bad(calls) else global_crops, local_crops, None

    monkeypatch.setattr(ToFloats, "__call__", to_floats)


def rows_of_batch(step: int, batch: slice) -> list[int]:
    """By the definition of the order: the tiny training's images are the manifest's first 44, in batches of 8."""
    order = generator_at(3, Domain.ORDER, (step - 1) // 5).permutation(44)
    return order[8 * ((step - 1) % 5) :][:8][batch].tolist()


def test_a_step_that_is_not_finite_is_skipped_and_written_down(
    make_spec: MakeSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = make_spec(tmp_path, monitoring=QUICK)
    bad_pixels(monkeypatch, lambda call: call == 3)
    train(spec)
    rows = [numbers(row) for row in read_rows(tmp_path / "history.csv")]
    assert [(row["step"], row["skipped_steps"]) for row in rows] == [(2, 0), (4, 1), (6, 1), (8, 1), (10, 1)]
    assert all(np.isfinite(row["loss"]) for row in rows)
    (skipped,) = read_rows(tmp_path / "skipped_steps.csv")
    expected = " ".join(map(str, rows_of_batch(3, slice(None))))
    assert skipped == {"step": "3", "process": "0", "not_finite": "loss", "rows": expected}
    state = torch.load(tmp_path / "last.pt", weights_only=True)["state"]
    for network in ("student", "teacher"):
        assert all(torch.isfinite(value).all() for value in state[network].values()), network
    assert torch.isfinite(state["loss"]["centering.center"]).all()


def test_too_many_skips_in_a_row_stop_naming_step_process_and_rows(
    make_spec: MakeSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad_pixels(monkeypatch, lambda call: call >= 3)
    rows = " ".join(map(str, rows_of_batch(6, slice(None))))
    stop = {"max_skips_in_a_row": 3, "max_rollbacks": 0, "rollback_factor": 0.5}
    with pytest.raises(NonFiniteError, match=f"^4 steps in a row .* step 6: loss of process 0, rows {rows}"):
        train(make_spec(tmp_path, pretrain={"non_finite": stop}, monitoring=QUICK))


def test_a_run_whose_every_step_was_skipped_does_not_end_as_finished(
    make_spec: MakeSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bad_pixels(monkeypatch, lambda call: True)  # noqa: ARG005
    stop = {"max_skips_in_a_row": 20, "max_rollbacks": 0, "rollback_factor": 0.5}  # the run has 10 steps
    with pytest.raises(NonFiniteError, match=r"^all 10 steps had a loss or gradient that is not finite"):
        train(make_spec(tmp_path, pretrain={"non_finite": stop}, monitoring=QUICK))


def test_a_rollback_goes_on_from_the_last_checkpoint_with_a_lower_learning_rate(
    make_spec: MakeSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    roll_back = {"max_skips_in_a_row": 3, "max_rollbacks": 1, "rollback_factor": 0.5}
    monitoring = QUICK | {"checkpoint_every_steps": 4}
    spec = make_spec(tmp_path / "bad", pretrain={"non_finite": roll_back}, monitoring=monitoring)
    bad_pixels(monkeypatch, lambda call: 5 <= call <= 8)
    train(spec)
    assert torch.load(tmp_path / "bad" / "last.pt", weights_only=True)["state"]["num_rollbacks"] == 1
    monkeypatch.undo()
    train(make_spec(tmp_path / "good", pretrain={"non_finite": roll_back}, monitoring=monitoring))
    bad, good = ([numbers(r) for r in read_rows(tmp_path / run / "history.csv")] for run in ("bad", "good"))
    assert [row["step"] for row in bad] == [row["step"] for row in good] == [2, 4, 6, 8, 10]
    factors = [one["learning_rate"] / other["learning_rate"] for one, other in zip(bad, good, strict=True)]
    assert factors == pytest.approx([1, 1, 0.5, 0.5, 0.5])
    assert bad[1]["loss"] == good[1]["loss"]


WORKER = """
import sys
from dino_pipeline.dino.core.distributed import rank
from dino_pipeline.dino.training import worker
from dino_pipeline.dino.core.batches import ToFloats
true, calls = ToFloats.__call__, 0
def to_floats(self, batch):
    global calls
    calls += 1
    global_crops, local_crops, _ = true(self, batch)
    return (global_crops * float("inf") if calls == 3 and rank() == 1 else global_crops), local_crops, None
ToFloats.__call__ = to_floats
sys.exit(worker.main())
"""


def test_all_processes_skip_the_step_that_is_bad_on_one(make_spec: MakeSpec, tmp_path: Path) -> None:
    # Batch norm would carry it to the other process's loss.
    head = to_dict(make_spec(tmp_path).pretrain.projection_head) | {"batch_norm": False}
    spec = make_spec(tmp_path, monitoring=QUICK, pretrain={"epochs": 1, "projection_head": head})
    (tmp_path / "spec.json").write_text(json.dumps(to_dict(spec)))
    (tmp_path / "bad.py").write_text(WORKER)
    agent = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2"]
    command = [*agent, str(tmp_path / "bad.py"), str(tmp_path / "spec.json")]
    subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, timeout=300)
    (skipped,) = read_rows(tmp_path / "skipped_steps.csv")
    expected = " ".join(map(str, rows_of_batch(3, slice(4, 8))))
    assert skipped == {"step": "3", "process": "1", "not_finite": "loss", "rows": expected}
    state = torch.load(tmp_path / "last.pt", weights_only=True)["state"]
    assert all(torch.isfinite(value).all() for value in state["student"].values())


def test_a_collapse_stops_training_where_configured(make_spec: MakeSpec, tmp_path: Path) -> None:
    collapsing = to_dict(make_spec(tmp_path).pretrain)["schedules"] | {
        "teacher_temperature": constant(50.0),  # flat from the first step on
        "learning_rate": constant(0.0),
    }
    changes = {"schedules": collapsing, "loss": PRETRAIN["loss"] | {"student_temperature": 50.0}}
    train(make_spec(tmp_path / "warned", pretrain=changes, monitoring=QUICK))
    with pytest.raises(
        CollapseError, match=r"stopped at step 6 by monitoring\.stop_on_collapse: uniform collapse"
    ):
        train(
            make_spec(tmp_path / "stopped", pretrain=changes, monitoring=QUICK | {"stop_on_collapse": True})
        )


@pytest.fixture
def images(tiny_manifest: Path, tmp_path: Path) -> Path:
    """A copy of the images, to be damaged."""
    shutil.copytree(tiny_manifest.parent, tmp_path / "images")
    return tmp_path / "images"


def damage(images: Path) -> None:
    (images / "7.png").unlink()
    other = bytearray((images / "9.png").read_bytes())
    other[-20] ^= 1  # of the same size
    (images / "9.png").write_bytes(bytes(other))
    (images / "11.png").write_bytes(b"not an image")
    (images / "50.png").unlink()  # of val


def test_lost_images_are_replaced_listed_and_the_same_for_any_number_of_workers(
    make_spec: MakeSpec, images: Path, tmp_path: Path
) -> None:
    damage(images)
    for workers in (0, 2):
        spec = make_spec(tmp_path / str(workers), launch={"loader_workers": workers})
        train(replace(spec, image_root=str(images), manifest=str(images / "manifest.parquet")))
    listed = read_rows(tmp_path / "0" / "unreadable.csv")
    assert sorted(row["path"] for row in listed) == ["11.png", "7.png", "9.png"]
    assert {row["path"]: row["reason"] for row in listed}["9.png"].startswith("9.png has changed since")
    assert numbers(read_rows(tmp_path / "0" / "history.csv")[-1])["unreadable_images"] == 3
    for name in ("finished/teacher.safetensors", "history.csv", "unreadable.csv"):
        assert (tmp_path / "0" / name).read_bytes() == (tmp_path / "2" / name).read_bytes(), name


def test_more_lost_images_than_allowed_stop_training(
    make_spec: MakeSpec, images: Path, tmp_path: Path
) -> None:
    damage(images)
    spec = make_spec(tmp_path / "run", monitoring=QUICK | {"max_unreadable_fraction": 0.05})
    with pytest.raises(
        ValueError, match=r"^3 of 44 training images could not be read, more than monitoring\.max"
    ):
        train(replace(spec, image_root=str(images), manifest=str(images / "manifest.parquet")))


KILLED = """
import json, multiprocessing, os, signal, sys
from pathlib import Path
import torch
from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.training.config import TrainingSpec
from dino_pipeline.dino.training.run import pretrain

class KillsALoaderWorker:
    def agreed(self):  # asked after each step
        for child in multiprocessing.active_children():
            os.kill(child.pid, signal.SIGKILL)
        return False

spec = from_dict(TrainingSpec, json.loads(Path(sys.argv[1]).read_text()))
pretrain(spec, torch.device("cpu"), KillsALoaderWorker())
"""


def test_a_killed_loader_worker_ends_training_with_what_to_do(make_spec: MakeSpec, tmp_path: Path) -> None:
    # In a process of its own: torch raises in the main thread of one that has lost a worker, wherever that is then.
    spec = make_spec(tmp_path, monitoring=QUICK, launch={"loader_workers": 1})
    (tmp_path / "spec.json").write_text(json.dumps(to_dict(spec)))
    command = [sys.executable, "-c", KILLED, str(tmp_path / "spec.json")]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 1
    remedy = re.escape("lower launch.loader_workers (now 1 per process) or pretrain.batch_size (now 8)")
    assert re.search(rf"MemoryError: a loader worker was killed.*{remedy}", ended.stderr)
