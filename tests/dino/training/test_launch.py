"""Real torchruns: they finish, fail with their cause, and leave neither orphans nor half a model when killed."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest

from dino_pipeline.dino.core.config import to_dict
from dino_pipeline.dino.launching.bound import STOPPED
from dino_pipeline.dino.launching.torchrun import WorkersFailedError
from dino_pipeline.dino.training.config import TrainingSpec
from dino_pipeline.dino.training.history import CURRENT_STEP, read_rows
from dino_pipeline.dino.training.launch import is_finished, launch
from tests.dino.conftest import MakeSpec

# A shell's background job ignores Ctrl-C, and all that it starts: here it must arrive, wherever the tests run.
LAUNCHER = """
import json, signal, sys
from pathlib import Path
signal.signal(signal.SIGINT, signal.default_int_handler)
from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.training.config import TrainingSpec
from dino_pipeline.dino.training.launch import launch
launch(from_dict(TrainingSpec, json.loads(Path(sys.argv[1]).read_text())), on_progress=lambda: None)
"""


def start(spec: TrainingSpec) -> subprocess.Popen[bytes]:
    file = Path(spec.folder) / "wanted.json"
    file.write_text(json.dumps(to_dict(spec)))
    return subprocess.Popen([sys.executable, "-c", LAUNCHER, str(file)])


def wait_for_rows(spec: TrainingSpec, count: int) -> None:
    history = Path(spec.folder) / "history.csv"
    deadline = time.monotonic() + 120
    while not (history.is_file() and len(read_rows(history)) >= count):
        assert time.monotonic() < deadline, "training never got going"
        time.sleep(0.1)


def processes_of(spec: TrainingSpec) -> list[str]:
    """Command lines of running processes that were given this training's specification."""
    listed = subprocess.run(["ps", "-ewwo", "pid,args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if f"{spec.folder}/spec.json" in line]


def wait_until_gone(spec: TrainingSpec) -> None:
    deadline = time.monotonic() + 60
    while processes_of(spec):
        assert time.monotonic() < deadline, processes_of(spec)
        time.sleep(0.2)


def endless(make_spec: MakeSpec, folder: Path) -> TrainingSpec:
    changes = {
        "pretrain": {"epochs": 100_000},
        "monitoring": {"num_trial_steps": 0, "evaluate_every_epochs": 1000},
    }
    return make_spec(folder, **changes)


class Trained(NamedTuple):
    """A training of two processes, its finished folder, and the addresses at which its processes listened."""

    spec: TrainingSpec
    finished: Path
    listening: set[str]


@pytest.fixture(scope="module")
def trained(make_spec: MakeSpec, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    spec = make_spec(tmp_path_factory.mktemp("trained"), pretrain={"epochs": 1}, launch={"cpu_processes": 2})
    listening: set[str] = set()

    def look() -> None:
        for process in psutil.Process().children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
                listening.update(
                    socket.laddr.ip
                    for socket in process.net_connections("inet")
                    if socket.status == psutil.CONN_LISTEN
                )

    return Trained(spec, launch(spec, on_progress=look), listening)


def test_a_finished_training_is_not_started_again(trained: Trained) -> None:
    spec, finished, _ = trained
    before = {file.name: file.stat().st_mtime_ns for file in finished.iterdir()}
    assert set(before) == {"history.csv", "model.json", "student.safetensors", "teacher.safetensors"}
    assert (
        1
        <= int((Path(spec.folder) / CURRENT_STEP).read_text())
        <= int(read_rows(finished / "history.csv")[-1]["step"])
    )
    assert launch(spec, on_progress=lambda: pytest.fail("it ran again")) == finished
    assert before == {file.name: file.stat().st_mtime_ns for file in finished.iterdir()}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems do not show others' sockets")
def test_nothing_of_a_training_can_be_reached_from_another_machine(trained: Trained) -> None:
    assert trained.listening == {"127.0.0.1"}


def test_a_failing_worker_is_reported_by_its_own_error(make_spec: MakeSpec, tmp_path: Path) -> None:
    stop = {"max_skips_in_a_row": 1, "max_rollbacks": 0, "rollback_factor": 0.5}
    spec = make_spec(tmp_path, pretrain={"std": [1e-320, 1e-320, 1e-320], "non_finite": stop})
    with pytest.raises(WorkersFailedError, match=r"NonFiniteError: 2 steps in a row"):
        launch(spec, on_progress=lambda: None)
    assert not is_finished(spec)


@pytest.mark.parametrize(
    ("number", "status"),
    [
        pytest.param(signal.SIGINT, None, marks=pytest.mark.full),
        pytest.param(signal.SIGTERM, 143, marks=pytest.mark.full),
        pytest.param(signal.SIGUSR1, 138, marks=pytest.mark.full),
        (signal.SIGKILL, -9),
    ],
)
def test_a_signal_to_the_launcher_saves_progress_and_leaves_no_process(
    make_spec: MakeSpec, tmp_path: Path, number: signal.Signals, status: int | None
) -> None:
    spec = endless(make_spec, tmp_path)
    process = start(spec)
    wait_for_rows(spec, 2)
    process.send_signal(number)
    ended = process.wait(60)
    assert ended not in (0, None)
    if status is not None:
        assert ended == status
    wait_until_gone(spec)
    assert (tmp_path / "last.pt").is_file()
    assert not is_finished(spec)


@pytest.mark.full
def test_a_preempted_worker_stops_all_with_the_status_of_a_requested_stop(
    make_spec: MakeSpec, tmp_path: Path
) -> None:
    spec = endless(make_spec, tmp_path)
    process = start(spec)
    wait_for_rows(spec, 2)
    workers = [line for line in processes_of(spec) if "agent" not in line]
    os.kill(int(workers[0].split()[0]), signal.SIGUSR1)
    assert process.wait(60) == STOPPED
    wait_until_gone(spec)
    assert (tmp_path / "last.pt").is_file()


@pytest.mark.full
def test_a_killed_agent_leaves_a_checkpoint_and_no_worker(make_spec: MakeSpec, tmp_path: Path) -> None:
    spec = endless(make_spec, tmp_path)
    process = start(spec)
    wait_for_rows(spec, 2)
    agent = next(line for line in processes_of(spec) if "agent" in line)
    os.kill(int(agent.split()[0]), signal.SIGKILL)
    assert process.wait(60) != 0
    wait_until_gone(spec)
    assert (tmp_path / "last.pt").is_file()
