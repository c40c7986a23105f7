"""Whichever process of a run is killed while it starts, the others end, and the launcher says what happened."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from dino_pipeline.dino.launching.torchrun import RUN

LAUNCHER = """
import sys
from pathlib import Path
from dino_pipeline.dino.launching import torchrun
torchrun.run(
    sys.argv[1], Path(sys.argv[2]), num_processes=int(sys.argv[3]), threads_per_process=1, max_restarts=3,
    grace_seconds=1.0, stall_minutes=10.0, log=Path(sys.argv[2]).with_name("log"), on_progress=lambda: None,
)
"""


def start(module: str, folder: Path, *, num_processes: int) -> "subprocess.Popen[str]":
    spec = folder / "spec.json"
    spec.touch()
    command = [
        sys.executable,
        "-c",
        LAUNCHER,
        f"tests.dino.launching.{module}",
        str(spec),
        str(num_processes),
    ]
    return subprocess.Popen(command, stderr=subprocess.PIPE, text=True)


def processes_of(folder: Path) -> list[psutil.Process]:
    """The agent and its workers, which have the specification as an argument."""
    found = []
    for process in psutil.process_iter(["cmdline", "environ"]):
        if str(folder / "spec.json") in (process.info["cmdline"] or []) and RUN in (
            process.info["environ"] or {}
        ):
            found.append(process)
    return found


def wait_for(*files: Path) -> None:
    deadline = time.monotonic() + 60
    while not all(file.exists() for file in files):
        assert time.monotonic() < deadline, "the workers never began"
        time.sleep(0.02)


@pytest.mark.parametrize("victim", ["agent", pytest.param("launcher", marks=pytest.mark.full)])
def test_a_kill_while_workers_join_their_group_leaves_none(victim: str, tmp_path: Path) -> None:
    launcher = start("joining_worker", tmp_path, num_processes=2)
    wait_for(tmp_path / "joining-0", tmp_path / "joining-1")
    parts = processes_of(tmp_path)
    (agent,) = [part for part in parts if "dino_pipeline.dino.launching.agent" in part.cmdline()]
    assert len(parts) == 3
    os.kill(agent.pid if victim == "agent" else launcher.pid, signal.SIGKILL)
    _, alive = psutil.wait_procs(parts, timeout=30)
    assert not alive
    _, words = launcher.communicate(timeout=30)
    if victim == "agent":
        assert launcher.returncode == 1
        assert "torchrun's process was ended by SIGKILL" in words


def test_a_worker_that_does_not_end_is_ended_after_the_time_of_grace(tmp_path: Path) -> None:
    launcher = start("deaf_worker", tmp_path, num_processes=1)
    wait_for(tmp_path / "deaf")
    parts = processes_of(tmp_path)
    (agent,) = [part for part in parts if "dino_pipeline.dino.launching.agent" in part.cmdline()]
    agent.kill()
    _, alive = psutil.wait_procs(parts, timeout=30)
    assert not alive
    assert "torchrun's process was ended by SIGKILL" in launcher.communicate(timeout=30)[1]
