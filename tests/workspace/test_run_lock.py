"""A lock is held by one process, told to the second, and gone with the process that held it."""

import errno
import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from dino_pipeline.workspace.run_lock import run_lock

HOLD = """
import sys
from pathlib import Path
from dino_pipeline.workspace.run_lock import run_lock
with run_lock(Path(sys.argv[1]), "it"):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / ".running" / "smoke.lock"


@pytest.fixture
def holder(file: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lock until its input ends."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLD, str(file)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_second_is_told_who_holds_it_and_what_to_do(file: Path, holder: subprocess.Popen[str]) -> None:
    with (
        pytest.raises(
            ValueError, match=rf"a run of smoke is already running in process {holder.pid} since.*kill -INT"
        ),
        run_lock(file, "a run of smoke"),
    ):
        pytest.fail("two hold one lock")
    with run_lock(file.with_name("cifar10.lock"), "a run of another recipe"):
        pass


def test_a_killed_holder_leaves_no_lock_behind(file: Path, holder: subprocess.Popen[str]) -> None:
    os.kill(holder.pid, signal.SIGKILL)
    holder.wait()
    with run_lock(file, "a run"):
        assert f'"pid": {os.getpid()}' in file.read_text()


def test_what_a_killed_holder_left_behind_is_told_from_a_run(file: Path) -> None:
    fork = "pid = os.fork()\n    if pid: os.kill(os.getpid(), 9)\n    sys.stdin.read()"
    code = HOLD.replace("import sys", "import os, sys").replace("sys.stdin.read()", fork)
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(file)], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
    )
    assert holder.wait() == -signal.SIGKILL
    with pytest.raises(ValueError, match=r"killed run left behind.*try again"), run_lock(file, "a run"):
        pytest.fail("the fork holds it still")
    assert holder.stdin is not None
    holder.stdin.close()  # the fork ends


def test_workers_of_a_study_share_it_and_keep_others_away(file: Path) -> None:
    with (
        run_lock(file, "the run", shared=True),
        run_lock(file, "the run", shared=True),
        pytest.raises(ValueError, match="is already running"),
        run_lock(file, "the run"),
    ):
        pytest.fail("it was held")


def test_an_error_frees_it(file: Path) -> None:
    with pytest.raises(KeyError), run_lock(file, "a run"):
        raise KeyError
    with run_lock(file, "a run"):
        pass


@pytest.mark.parametrize("reason", [errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS])
def test_without_locks_there_is_one_warning_and_the_work_goes_on(file: Path, reason: int) -> None:
    """As on NFS without its lock service, and on Lustre mounted without flock."""
    code = f"""
import fcntl, os, sys
from pathlib import Path

def flock(*_):
    raise OSError({reason}, os.strerror({reason}))

fcntl.flock = flock
from dino_pipeline.workspace.run_lock import run_lock, waiting_lock
file = Path(sys.argv[1])
with run_lock(file, "it"), run_lock(file.with_name("other"), "it", shared=True), waiting_lock(file.with_name("third")):
    print("worked")
"""
    done = subprocess.run([sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=True)
    assert done.stdout == "worked\n"
    assert done.stderr.count("\n") == 1
    assert f"no file locks ({os.strerror(reason)})" in done.stderr


def test_another_error_of_a_lock_is_raised(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def flock(*_: object) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(fcntl, "flock", flock)
    with pytest.raises(OSError, match="Input/output"), run_lock(file, "a run"):
        pytest.fail("it is not held")
