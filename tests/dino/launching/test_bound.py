"""A process that `bound` starts ends with its parent, whatever it does then, and so do those that it forks."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from dino_pipeline.dino.launching.bound import PARENT, STOPPED

BOUND = [sys.executable, "-m", "dino_pipeline.dino.launching.bound"]

# Each writes its own process ids into the folder, one a file, and then never returns.
SLEEPS = """
import os, sys, time
open(sys.argv[1] + f"/{os.getpid()}", "w")
time.sleep(1000)
"""
FORKS_A_READER_OF_A_PIPE = """
import os, sys, time
folder = sys.argv[1]
os.mkfifo(folder + "/.fifo")
for _ in range(2):
    if os.fork() == 0:
        open(folder + f"/{os.getpid()}", "w")
        open(folder + "/.fifo").read()  # waits for a writer, as a read from a dead drive waits
open(folder + f"/{os.getpid()}", "w")
time.sleep(1000)
"""
FORKS_A_STOPPED_PROCESS = """
import os, signal, sys, time
folder = sys.argv[1]
if os.fork() == 0:
    open(folder + f"/{os.getpid()}", "w")
    os.kill(os.getpid(), signal.SIGSTOP)
open(folder + f"/{os.getpid()}", "w")
time.sleep(1000)
"""
PARENT_OF_ONE = """
import os, subprocess, sys, time
environment = os.environ | {"DINO_PIPELINE_PARENT": str(os.getpid())}
subprocess.Popen([sys.executable, "-m", "dino_pipeline.dino.launching.bound", *sys.argv[1:]], env=environment)
time.sleep(1000)
"""


def process_ids(folder: Path) -> set[int]:
    return {int(file.name) for file in folder.iterdir() if file.name.isdigit()}


def wait_for(count: int, folder: Path) -> set[int]:
    deadline = time.monotonic() + 60
    while len(process_ids(folder)) < count:
        assert time.monotonic() < deadline, "they never began"
        time.sleep(0.02)
    return process_ids(folder)


@pytest.mark.parametrize(
    ("code", "count"),
    [
        (SLEEPS, 1),
        pytest.param(
            FORKS_A_READER_OF_A_PIPE, 3, marks=pytest.mark.skipif(sys.platform != "linux", reason="prctl(2)")
        ),
        pytest.param(
            FORKS_A_STOPPED_PROCESS, 2, marks=pytest.mark.skipif(sys.platform != "linux", reason="prctl(2)")
        ),
    ],
)
def test_a_killed_parent_takes_all_with_it(code: str, count: int, tmp_path: Path) -> None:
    (tmp_path / "waiting_module.py").write_text(code)
    (tmp_path / "ids").mkdir()
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", PARENT_OF_ONE, "waiting_module", str(tmp_path / "ids")]
    parent = subprocess.Popen(command, env=environment)
    started = wait_for(count, tmp_path / "ids")
    parent.kill()
    parent.wait()
    _, alive = psutil.wait_procs(
        [psutil.Process(pid) for pid in started if psutil.pid_exists(pid)], timeout=20
    )
    for process in alive:
        process.kill()
    assert not alive


def test_elsewhere_than_on_linux_a_thread_watches_the_parent(tmp_path: Path) -> None:
    (tmp_path / "waiting_module.py").write_text(SLEEPS)
    (tmp_path / "ids").mkdir()
    elsewhere = "from dino_pipeline.dino.launching import bound; bound._IS_LINUX = False; bound.main()"
    start = PARENT_OF_ONE.replace('"-m", "dino_pipeline.dino.launching.bound"', f'"-c", {elsewhere!r}')
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    command = [sys.executable, "-c", start, "waiting_module", str(tmp_path / "ids")]
    parent = subprocess.Popen(command, env=environment)
    (started,) = wait_for(1, tmp_path / "ids")
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 20
    while psutil.pid_exists(started):
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_process_whose_parent_has_ended_before_its_first_instruction_does_nothing(tmp_path: Path) -> None:
    (tmp_path / "writing_module.py").write_text("import sys; open(sys.argv[1], 'w')")
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    environment = os.environ | {"PYTHONPATH": str(tmp_path), PARENT: str(gone.pid)}
    command = [*BOUND, "writing_module", str(tmp_path / "written")]
    assert subprocess.run(command, env=environment, check=False).returncode == STOPPED
    assert not (tmp_path / "written").exists()


def test_a_module_runs_as_if_python_had_started_it(tmp_path: Path) -> None:
    (tmp_path / "module.py").write_text("import sys; print(__name__, sys.argv[1:]); sys.exit(3)")
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    command = [*BOUND, "module", "a", "-b"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.stdout, done.returncode) == ("__main__ ['a', '-b']\n", 3)


def test_nothing_slow_is_imported_before_the_parent_is_watched() -> None:
    slow = ("torch", "numpy", "psutil")
    code = f"import sys, dino_pipeline.dino.launching.bound; print([m for m in {slow} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.skipif(sys.platform != "linux", reason="prctl(2)")
def test_a_thread_may_end_before_the_process_that_it_forked() -> None:
    """Linux sends its signal when the forking thread ends, which need not be the end of the process."""
    code = """
import os, threading, time
from dino_pipeline.dino.launching.bound import end_children_with_this_process
end_children_with_this_process()
children = []
def fork():
    pid = os.fork()
    if pid == 0:
        time.sleep(0.5)
        os._exit(7)
    children.append(pid)
thread = threading.Thread(target=fork)
thread.start()
thread.join()
print(os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "7\n"


def test_the_signal_is_the_one_that_a_worker_takes_for_a_request_to_stop() -> None:
    from dino_pipeline.dino.launching.stop import NUMBERS

    assert signal.SIGTERM in NUMBERS


SENDING = """
import sys, torch
from torch.utils.data import DataLoader
from dino_pipeline.dino.launching.bound import end_children_that_cannot_send

def batch(items):
    return (lambda: 0) if sys.argv[1] == "a function" else torch.zeros(10**6)

end_children_that_cannot_send()
try:
    list(DataLoader([1, 2], num_workers=1, collate_fn=batch))
except RuntimeError as error:
    print(" ".join(str(error).split()))
"""


@pytest.mark.parametrize(
    ("what", "first"),
    [
        ("a function", []),
        pytest.param(
            "a batch",
            ["unshare", "--mount", "sh", "-c", 'mount -t tmpfs -o size=64k none /dev/shm && exec "$@"', "sh"],
            marks=pytest.mark.skipif(
                sys.platform != "linux" or os.getuid() != 0,
                reason="only root may mount a small shared memory",
            ),
        ),
    ],
)
def test_a_loader_worker_that_cannot_hand_over_its_batch_ends(what: str, first: list[str]) -> None:
    """By itself it goes on without the batch, and the loader waits for that without end."""
    command = [*first, sys.executable, "-c", SENDING, what]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)
    assert "DataLoader worker" in done.stdout
    assert "cannot hand over its work" in done.stderr
    assert "Traceback" not in done.stderr
