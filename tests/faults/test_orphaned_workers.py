"""The lock of a killed run holds as long as one of its workers lives, and is free afterwards."""

import json
import os
import signal
import sys
from pathlib import Path

import pytest

from dino_pipeline.dino.core.config import to_dict
from dino_pipeline.dino.training.history import read_rows
from dino_pipeline.workspace.run_lock import run_lock
from tests.dino.conftest import MakeSpec

from .injection import Started, wait_for

LOCKED = """
import json, sys
from pathlib import Path
from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.training.config import TrainingSpec
from dino_pipeline.dino.training.launch import launch
from dino_pipeline.workspace.run_lock import run_lock
spec = from_dict(TrainingSpec, json.loads(Path(sys.argv[1]).read_text()))
with run_lock(Path(sys.argv[2]), "it"):
    launch(spec, on_progress=lambda: None)
"""


def is_free(lock: Path) -> bool:
    try:
        with run_lock(lock, "a run"):
            return True
    except ValueError:
        return False


@pytest.mark.full
@pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")
def test_no_run_begins_while_workers_of_a_killed_one_still_write(make_spec: MakeSpec, tmp_path: Path) -> None:
    spec = make_spec(
        tmp_path / "training",
        pretrain={"epochs": 100_000},
        monitoring={"num_trial_steps": 0, "evaluate_every_epochs": 1000},
        launch={"cpu_processes": 1},
    )
    wanted, lock = tmp_path / "wanted.json", tmp_path / "run.lock"
    wanted.write_text(json.dumps(to_dict(spec)))
    started = Started(
        [sys.executable, "-c", LOCKED, str(wanted), str(lock)], folder=tmp_path, log=tmp_path / "log"
    )
    history = Path(spec.folder) / "history.csv"
    wait_for(lambda: history.is_file() and len(read_rows(history)) > 0, started.words)
    agents, workers = started._parts("agent"), started._parts("worker")
    for worker in workers:
        os.kill(worker, signal.SIGSTOP)  # a step that takes long
    for victim in (started.process.pid, *agents):
        os.kill(victim, signal.SIGKILL)
    started.process.wait()
    try:
        assert workers
        with pytest.raises(ValueError, match="killed run left behind"), run_lock(lock, "a run"):
            pytest.fail("two write one training")
    finally:
        for worker in workers:
            os.kill(worker, signal.SIGCONT)
    started.end()
    # A process that ends is without its environment a moment before it lets go of its files.
    wait_for(lambda: is_free(lock), "the lock outlives the last worker", patience=30.0)
