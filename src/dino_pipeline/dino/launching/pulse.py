"""Each process of a run says where it stands, and whether it gets on, for the launcher's watchdog.

A thread looks at the main thread every few seconds: nothing is added to a training's step. The process gets on if its
main thread has another stack than before, or has called `progress.beat` since.
"""

import faulthandler
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from types import FrameType

from dino_pipeline.dino import progress

FOLDER = "DINO_PIPELINE_PULSE"  # in a worker's environment: where its pulse goes
SECONDS = "DINO_PIPELINE_PULSE_SECONDS"  # between two looks
DUMP = signal.SIGUSR2  # prints the stacks of all threads to standard error, also while Python itself is stuck

READS_AN_IMAGE = "reads an image"
_PACKAGE = "dino_pipeline"
_STARTERS = ("dino/launching/bound.py", "dino/launching/pulse.py")
_LOADER_LOOP = "_worker_loop"  # torch's: below it is where the worker was forked
_WAITS = "waits for the other processes"
_STORE = "waits for MLflow's store (which MLFLOW_TRACKING_URI names)"
# The innermost function of a thread that waits for other processes.
_WAITING = ("torch/distributed/", "torch/nn/parallel/distributed.py")
# What a function means to a user; the innermost that is known counts. None: any function of the file.
_PHASES: dict[tuple[str, str | None], str] = {
    ("dino/core/distributed.py", "join_group"): "joins its process group",
    ("dino/core/distributed.py", None): _WAITS,
    ("dino/core/data/manifest.py", "read_image_bytes"): READS_AN_IMAGE,
    ("dino/core/batches.py", "__iter__"): "waits for images",
    ("dino/core/step.py", None): "computes a step (forward, backward, all-reduce)",
    ("dino/training/online_evaluation.py", None): "evaluates (k-NN)",
    ("dino/training/kept_checkpoints.py", None): "writes or reads a checkpoint",
    ("dino/training/checkpoint.py", None): "writes or reads a checkpoint",
    ("dino/training/profiling.py", None): "takes trial steps",
    ("dino/training/finish.py", None): "publishes the model",
    ("dino/launching/shared_manifest.py", None): "reads the manifest",
    ("dino/evaluation/extraction.py", None): "extracts features",
    ("dino/evaluation/linear_probe/training.py", None): "trains the probes",
    ("ingestion/inspection.py", None): "inspects images",
    ("model_registry/lineage/manifests.py", "read_from_dvc"): "waits for DVC",
    ("tracking/store.py", None): _STORE,
    ("tracking/run.py", None): _STORE,
    ("tracking/runs.py", None): _STORE,
    ("tracking/tracker.py", None): _STORE,
    ("workspace/run_lock.py", None): "waits for a lock that another process holds",
}


def start_pulse() -> None:
    """Write this process's pulse if it is a worker of a run, and that of each loader worker that it forks."""
    if FOLDER in os.environ and "RANK" in os.environ:
        faulthandler.register(DUMP, file=sys.stderr)
        write_pulse(Path(os.environ[FOLDER]), float(os.environ[SECONDS]), rank=int(os.environ["RANK"]))


def write_pulse(folder: Path, seconds: float, *, rank: int = 0) -> None:
    """Write the pulse of this process and of those that it forks into a folder, every few seconds."""

    def start(kind: str) -> None:
        file = folder / f"{rank}-{kind}-{os.getpid()}"
        threading.Thread(target=_write, args=(file, seconds), daemon=True).start()

    start("main")
    os.register_at_fork(after_in_child=lambda: start("loader"))


def _write(file: Path, seconds: float) -> None:
    main = threading.main_thread().ident
    assert main is not None
    before: object = None
    while True:
        frame = sys._current_frames().get(main)
        stack = list(_frames(frame))
        now = (progress.beats(), [(id(inner.f_code), inner.f_lasti) for inner in stack])
        if now != before:
            before = now
            with suppress(OSError):  # a full disk still notes the time
                file.write_text(describe(stack))
        time.sleep(seconds)


def _frames(frame: FrameType | None) -> Iterator[FrameType]:
    """From the innermost function outwards. What a loader worker has inherited from its parent is not its own."""
    while frame is not None and frame.f_code.co_name != _LOADER_LOOP:
        yield frame
        frame = frame.f_back


def describe(stack: list[FrameType]) -> str:
    """What a thread does, in words: the phase, the image that it reads, and the innermost line of this package."""
    phases, image, line = [], "", ""
    if stack and any(part in stack[0].f_code.co_filename for part in _WAITING):
        phases.append(_WAITS)
    for frame in stack:
        _, found, file = frame.f_code.co_filename.rpartition(f"/{_PACKAGE}/")
        if not found or file in _STARTERS:
            continue
        function = frame.f_code.co_name
        line = line or f"{file}:{frame.f_lineno} {function}"
        phase = _PHASES.get((file, function)) or _PHASES.get((file, None))
        if phase and phase not in phases:
            phases.append(phase)
        if function == "read_image_bytes":
            path, member = frame.f_locals.get("path"), frame.f_locals.get("member")
            image = f" {path}" if member is None else f" {path}:{member}"
    if not line:
        return ""
    if line.endswith("<module>"):
        return f"imports its code ({line})"
    inner, outer = (phases[0], phases[-1]) if phases else ("works", "works")
    return f"{inner if inner == outer else f'{outer} and {inner}'}{image} ({line})"
