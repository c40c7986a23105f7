"""Trainings killed while they start, train, write checkpoints and finish end with the bits of an undisturbed one."""

import json
import random
import re
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dino_pipeline.dino.core.config import to_dict
from dino_pipeline.dino.training.config import TrainingSpec
from dino_pipeline.dino.training.history import read_rows
from dino_pipeline.dino.training.kept_checkpoints import load_newest
from tests.dino.conftest import MakeSpec

from .conftest import Record
from .injection import Kill, Started, hashes

pytestmark = [
    pytest.mark.full,
    pytest.mark.early,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc"),
]

LAUNCHER = """
import json, sys
from pathlib import Path
from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.training.config import TrainingSpec
from dino_pipeline.dino.training.launch import launch
launch(from_dict(TrainingSpec, json.loads(Path(sys.argv[1]).read_text())), on_progress=lambda: None)
"""
STEPS = 80
PRODUCTS = ("model.json", "student.safetensors", "teacher.safetensors", "history.csv")

PARENT = [("parent", number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGKILL)]
PARTS = [
    ("agent", signal.SIGKILL),
    ("agent", signal.SIGUSR1),
    ("worker", signal.SIGUSR1),
    ("worker", signal.SIGTERM),
]
LOST = [("worker", signal.SIGKILL)]


def specification(make_spec: MakeSpec, folder: Path) -> TrainingSpec:
    return make_spec(
        folder,
        pretrain={"precision": "fp32", "epochs": STEPS // 5},
        monitoring={"checkpoint_every_steps": 3, "num_trial_steps": 0, "evaluate_every_epochs": 10},
    )


def start(spec: TrainingSpec, **environment: str) -> Started:
    folder = Path(spec.folder)
    file = folder / "wanted.json"
    file.write_text(json.dumps(to_dict(spec)))
    return Started(
        [sys.executable, "-c", LAUNCHER, str(file)], folder=folder, log=folder / "launcher.log", **environment
    )


def finished(spec: TrainingSpec) -> dict[str, str]:
    folder = Path(spec.folder) / "finished"
    return hashes([folder / name for name in PRODUCTS], root=folder) if folder.is_dir() else {}


@pytest.fixture(scope="module")
def undisturbed(make_spec: MakeSpec, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Hashes of what the training makes when it is left alone."""
    spec = specification(make_spec, tmp_path_factory.mktemp("undisturbed"))
    started = start(spec)
    assert started.end() == 0, started.words()
    return finished(spec)


def moment(spec: TrainingSpec, during: str, random_steps: random.Random) -> Callable[[], bool]:
    folder, history = Path(spec.folder), Path(spec.folder) / "history.csv"
    if during == "starting":
        log = folder / "training.log"
        return log.is_file
    if during == "publishing":
        return lambda: (folder / ".finished").is_dir() or (folder / "finished").is_dir()
    done = int(read_rows(history)[-1]["step"]) if history.is_file() and read_rows(history) else 0
    wanted = done + random_steps.randrange(4, 30)

    def far_enough() -> bool:
        rows = read_rows(history) if history.is_file() else []
        return bool(rows) and int(rows[-1]["step"]) >= min(wanted, STEPS - 6)

    if during == "pretraining":
        return far_enough
    return lambda: far_enough() and any(folder.glob(".partial-*-last.pt"))


def disturb(
    spec: TrainingSpec,
    plan: list[tuple[str, str, signal.Signals]],
    seed: int,
    record: Record,
    expected: object,
) -> None:
    """Kill after kill on one training, then the same command once more: the same bits."""
    seeded = random.Random(seed)
    outcomes = []
    for during, victim, number in plan:
        # Writing takes milliseconds here, and so must the delay.
        spread = {"starting": 4.0, "pretraining": 0.3}.get(during, 0.01)
        kill = Kill(victim, number, delay=seeded.uniform(0, spread))
        when = moment(spec, during, seeded)
        started = start(spec)
        outcome = started.strike(kill, when)
        if during != "starting" or outcome == "went on by itself":
            assert load_newest(Path(spec.folder), torch.device("cpu")), started.words()
        assert finished(spec) in ({}, expected), f"{kill} while {during} left another model"
        outcomes.append({"during": during, "kill": kill, "outcome": outcome})
    started = start(spec)
    assert started.end() == 0, started.words()
    assert finished(spec) == expected
    assert not list(Path(spec.folder).glob(".partial-*")), "remains of killed processes are removed"
    record(outcomes)


def test_a_lost_worker_is_replaced_without_the_user(
    make_spec: MakeSpec, tmp_path: Path, undisturbed: dict[str, str], record: Record
) -> None:
    spec = specification(make_spec, tmp_path)
    started = start(spec)
    kill = Kill("worker", signal.SIGKILL, delay=0.05)
    outcome = started.strike(kill, moment(spec, "pretraining", random.Random(0)))
    assert outcome == "went on by itself"
    assert finished(spec) == undisturbed
    record([{"during": "pretraining", "kill": kill, "outcome": outcome}])


def test_a_kill_while_a_checkpoint_is_written_costs_nothing(
    make_spec: MakeSpec, tmp_path: Path, undisturbed: dict[str, str], record: Record
) -> None:
    plan = [("checkpoint writing", "parent", signal.SIGKILL)]
    disturb(specification(make_spec, tmp_path), plan, 1, record, undisturbed)


def test_a_training_that_stands_still_is_ended_and_the_same_command_ends_with_the_same_bits(
    make_spec: MakeSpec, tmp_path: Path, undisturbed: dict[str, str]
) -> None:
    spec = specification(make_spec, tmp_path)
    stalled = replace(spec, launch=replace(spec.launch, stall_minutes=0.1))
    started = start(stalled)
    kill = Kill("worker", signal.SIGSTOP, delay=0.0)
    assert started.strike(kill, moment(spec, "pretraining", random.Random(1))) == "stopped"
    assert "no worker got on for 6 s: rank 0" in started.words()
    assert "is stopped by a signal (`kill -CONT" in started.words()
    # Where the other rank's threads stand: in a collective of the step, which the backward pass has, too.
    stacks = (tmp_path / "training.log").read_text()
    assert "in _take_steps" in stacks
    assert re.search(r"in (all_reduce|all_gather\w*|barrier|\w*broadcast\w*|_engine_run_backward)\b", stacks)
    started = start(spec)
    assert started.end() == 0, started.words()
    assert finished(spec) == undisturbed


def test_loader_workers_hand_their_batches_over_below_a_long_temporary_folder(
    make_spec: MakeSpec, tmp_path: Path
) -> None:
    changes: dict[str, dict[str, object]] = {
        "pretrain": {"epochs": 1},
        "launch": {"cpu_processes": 1, "loader_workers": 1, "stall_minutes": 0.5},
    }
    spec = make_spec(tmp_path, **changes)
    folder = tmp_path / ("l" * 95)
    folder.mkdir()
    started = start(spec, TMPDIR=str(folder))
    assert started.end() == 0, started.words()
    assert not list(folder.glob("pymp-*"))


@pytest.mark.parametrize("seed", range(8))
def test_kills_at_random_moments_end_with_the_bits_of_an_undisturbed_training(
    make_spec: MakeSpec, tmp_path: Path, undisturbed: dict[str, str], record: Record, seed: int
) -> None:
    seeded = random.Random(100 + seed)
    victims = [PARENT[seed % 4], PARTS[seed % 4], seeded.choice(PARENT)]
    moments = ["pretraining", "checkpoint writing", seeded.choice(["starting", "pretraining"])]
    plan = [(during, *victim) for during, victim in zip(moments, victims, strict=True)]
    plan.append(("publishing", *seeded.choice(PARENT)))
    disturb(specification(make_spec, tmp_path), plan, seed, record, undisturbed)


@pytest.mark.parametrize("seed", range(3))
def test_workers_are_lost_in_every_phase_and_the_training_ends_by_itself(
    make_spec: MakeSpec, tmp_path: Path, undisturbed: dict[str, str], record: Record, seed: int
) -> None:
    spec = specification(make_spec, tmp_path)
    during = ["pretraining", "checkpoint writing", "publishing"][seed]
    kill = Kill("worker", signal.SIGKILL, delay=random.Random(seed).uniform(0, 0.01))
    outcome = start(spec).strike(kill, moment(spec, during, random.Random(seed)))
    assert finished(spec) == undisturbed
    record([{"during": during, "kill": kill, "outcome": outcome}])
