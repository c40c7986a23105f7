"""A command that waits for something that does not come says for what, again and again; its helpers end with it."""

import fcntl
import os
import re
import socket
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from dino_pipeline.dino.launching.command import in_case_of_killed_loader

START = """
import logging, os, signal, sys
from pathlib import Path
logging.basicConfig(format="%(message)s")
from dino_pipeline.dino.launching.command import prepare_command
prepare_command(stall_minutes=2 / 60)
place = Path(sys.argv[1])
"""
READS_AN_IMAGE = """
from dino_pipeline.dino.core.data.manifest import read_image_bytes
read_image_bytes(str(place / "image.jpg"), None, None, 1)
"""
HAS_A_STOPPED_LOADER_WORKER = """
from torch.utils.data import DataLoader, Dataset
class Stopped(Dataset):
    def __len__(self):
        return 1
    def __getitem__(self, index):
        os.kill(os.getpid(), signal.SIGSTOP)
for _ in DataLoader(Stopped(), num_workers=1):
    pass
"""
WAITS_FOR_A_LOCK = """
from dino_pipeline.workspace.run_lock import waiting_lock
with waiting_lock(place / "lock"):
    pass
"""
WAITS_FOR_ANOTHER_TRAINING = """
from dino_pipeline.workspace.run_lock import run_lock
with run_lock(place / "lock", "the training", while_waiting=lambda: None):
    pass
"""
WAITS_FOR_A_STORE = """
from dino_pipeline.tracking.store import Store, connect, experiment_id
store = Store(uri=(place / "address").read_text(), project_path=place)
experiment_id(connect(store), store)
"""


@pytest.mark.parametrize(
    ("code", "words"),
    [
        (READS_AN_IMAGE, r"it reads an image /\S+/image\.jpg \(.*\), which does not arrive: check the drive"),
        (WAITS_FOR_A_LOCK, r"it waits for a lock that another process holds \(workspace/run_lock\.py:\d+"),
        pytest.param(
            WAITS_FOR_ANOTHER_TRAINING,
            r"it waits for a lock that another process holds",
            marks=pytest.mark.full,
        ),
        pytest.param(
            HAS_A_STOPPED_LOADER_WORKER,
            r"its loader worker \d+ is stopped by a signal \(`kill -CONT \d+`",
            marks=pytest.mark.full,
        ),
        pytest.param(
            WAITS_FOR_A_STORE, r"it waits for MLflow's store .*MLFLOW_TRACKING_URI", marks=pytest.mark.full
        ),
    ],
)
def test_what_a_command_waits_for_is_named(code: str, words: str, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "image.jpg")
    silent = socket.create_server(("127.0.0.1", 0))  # takes connections and never answers
    (tmp_path / "address").write_text(f"postgresql://user@127.0.0.1:{silent.getsockname()[1]}/mlflow")
    with (tmp_path / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        waiting = subprocess.Popen(
            [sys.executable, "-c", START + code, str(tmp_path)], stderr=subprocess.PIPE, text=True
        )
        assert waiting.stderr is not None
        said = ""
        enough = threading.Timer(60, waiting.kill)
        enough.start()
        for line in waiting.stderr:
            said += line
            if "has not got on for 2 s" in line and re.search(words, line):
                break
        enough.cancel()
        children = psutil.Process(waiting.pid).children(recursive=True) if waiting.poll() is None else []
        waiting.kill()
        waiting.wait()
        _, alive = psutil.wait_procs(children, timeout=10)
    silent.close()
    assert re.search(words, said), said
    assert not alive


LOSES_A_LOADER_WORKER = """
import os, signal, sys
from torch.utils.data import DataLoader, Dataset
from dino_pipeline.dino.launching.command import in_case_of_killed_loader
class Killed(Dataset):
    def __len__(self):
        return 1
    def __getitem__(self, index):
        os.kill(os.getpid(), signal.SIGKILL)
try:
    list(DataLoader(Killed(), num_workers=1))
except RuntimeError as error:
    print(in_case_of_killed_loader(str(error)))
"""


@pytest.mark.full
def test_a_killed_loader_worker_is_explained() -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOSES_A_LOADER_WORKER], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith(
        "a loader worker was killed, probably because memory ran out (DataLoader worker"
    )
    assert done.stdout.count("\n") == 1


@pytest.mark.parametrize(
    "text", ["CUDA error: out of memory", "a loader worker was killed, probably because memory"]
)
def test_other_errors_keep_their_words(text: str) -> None:
    assert in_case_of_killed_loader(text) == text


def test_a_command_that_takes_long_to_end_ends_quietly() -> None:
    """Python removes the watch's folder at once, and other things that end with the process take seconds."""
    code = """
import atexit, tempfile, time
from pathlib import Path
atexit.register(time.sleep, 2.5)  # what is registered first ends last
from dino_pipeline.dino.launching.command import prepare_command
before = set(Path(tempfile.gettempdir()).glob("dino-pulse-*/*"))
prepare_command()
while not set(Path(tempfile.gettempdir()).glob("dino-pulse-*/*")) - before:
    time.sleep(0.1)
time.sleep(1)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    )
    assert done.stderr == ""
