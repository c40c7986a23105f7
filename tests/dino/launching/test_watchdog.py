"""A run in which no worker gets on ends by itself, and says where each one stands; one that is only slow goes on."""

import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import psutil
import pytest

from dino_pipeline.dino.launching import torchrun
from dino_pipeline.dino.launching.pulse import describe
from dino_pipeline.dino.launching.watchdog import Watchdog


def run(case: str, folder: Path, *, num_processes: int, seconds: float) -> None:
    spec = folder / "spec.json"
    spec.write_text(case)
    torchrun.run(
        "tests.dino.launching.stuck_worker",
        spec,
        num_processes=num_processes,
        threads_per_process=1,
        max_restarts=3,
        grace_seconds=20.0,
        stall_minutes=seconds / 60,
        log=folder / "log",
        on_progress=lambda: None,
    )


def assert_all_ended(folder: Path) -> None:
    left = [
        process
        for process in psutil.process_iter(["cmdline"])
        if str(folder / "spec.json") in (process.info["cmdline"] or [])
    ]
    assert not left


def test_a_group_that_one_never_joins_is_named_by_rank_and_phase(tmp_path: Path) -> None:
    with pytest.raises(torchrun.WorkersFailedError) as raised:
        run("joining", tmp_path, num_processes=2, seconds=4)
    words = str(raised.value)
    assert "no worker got on for 4 s" in words
    assert re.search(r"rank 0 joins its process group .*\(dino/core/distributed\.py:\d+ join_group\)", words)
    assert re.search(r"rank 1 is stopped by a signal \(`kill -CONT \d+` lets it go on\)", words)
    assert "\n" not in words
    assert "join_group" in (tmp_path / "log").read_text()  # the stack of each thread
    assert_all_ended(tmp_path)


@pytest.mark.full
def test_an_image_that_does_not_arrive_and_a_stopped_loader_worker_are_named(tmp_path: Path) -> None:
    with pytest.raises(torchrun.WorkersFailedError) as raised:
        run("images", tmp_path, num_processes=3, seconds=4)
    words = str(raised.value)
    image = re.escape(str(tmp_path / "image.jpg"))
    assert re.search(rf"its loader worker \d+ reads an image {image} \(.*\), which does not arrive", words)
    assert re.search(r"its loader worker \d+ is stopped by a signal", words)
    assert re.search(rf"rank 2 reads an image {image}", words)
    assert_all_ended(tmp_path)


@pytest.mark.full
def test_a_rank_that_others_wait_for_may_take_longer_than_the_limit(tmp_path: Path) -> None:
    """Rank 1 passes the same lines for eight seconds and says that it gets on; rank 0 waits for it."""
    run("slow", tmp_path, num_processes=2, seconds=4)


def test_the_time_in_which_the_computer_sleeps_is_no_stall(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    watchdog = Watchdog(tmp_path, num_processes=1, minutes=10)
    (tmp_path / f"0-main-{os.getpid()}").touch()
    assert not watchdog.is_still()
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 8 * 3600)
    assert not watchdog.is_still()
    for second in range(601):
        monkeypatch.setattr(time, "monotonic", lambda second=second: now + 8 * 3600 + second)
        is_still = watchdog.is_still()
    assert is_still
    (tmp_path / f"0-main-{os.getpid()}").write_text("it gets on")
    assert not watchdog.is_still()


def test_a_loader_worker_that_gets_on_is_no_progress_of_its_rank(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An idle one changes its stack without end."""
    watchdog = Watchdog(tmp_path, num_processes=1, minutes=1)
    (tmp_path / f"0-main-{os.getpid()}").touch()
    now = time.monotonic()
    for second in range(63):
        monkeypatch.setattr(time, "monotonic", lambda second=second: now + second)
        (tmp_path / "0-loader-2").write_text(str(second))
        is_still = watchdog.is_still()
    assert is_still


def test_a_thread_outside_of_this_package_has_no_phase() -> None:
    waiting = threading.Event()
    thread = threading.Thread(target=waiting.wait, daemon=True)
    thread.start()
    frame = sys._current_frames()[thread.ident or 0]
    assert describe([frame]) == ""
    waiting.set()


LONG = """
import os, sys
from multiprocessing.connection import Listener
print(Listener(family="AF_UNIX").address, flush=True)
if os.fork() == 0:
    print(Listener(family="AF_UNIX").address, flush=True)
    os._exit(0)
os.wait()
import tempfile
print(tempfile.gettempdir())
"""


@pytest.mark.parametrize("length", [40, 95, 180])
def test_sockets_lie_in_a_short_folder_and_other_files_where_they_belong(length: int, tmp_path: Path) -> None:
    (tmp_path / "listening_module.py").write_text(LONG)
    with tempfile.TemporaryDirectory(dir="/tmp") as short:
        folder = Path(short, "l" * (length - len(short) - 1))
        folder.mkdir()
        environment = os.environ | {"PYTHONPATH": str(tmp_path), "TMPDIR": str(folder)}
        command = [sys.executable, "-m", "dino_pipeline.dino.launching.bound", "listening_module"]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    own, forked, others = done.stdout.split()
    assert len(own) <= 103
    assert len(forked) <= 103
    assert others == str(folder)
    assert (str(folder) in own) == (length == 40)
