"""Start a training under torchrun, follow it, and leave nothing running whatever happens to this process."""

import json
import logging
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import torch

from dino_pipeline.dino.config import to_dict
from dino_pipeline.dino.training.config import LaunchConfig, TrainingSpec
from dino_pipeline.dino.training.finish import FINISHED
from dino_pipeline.dino.training.stop import STOPPED

logger = logging.getLogger(__name__)

_POLL_SECONDS = 0.5
_LAST_WORDS = 30  # lines of the log that an error shows
LOG = "training.log"


class TrainingFailedError(RuntimeError):
    """torchrun ended with an error; the message carries its cause."""


class TrainingStopped(SystemExit):
    """Stopped on request with progress saved; ends the pipeline without being an error of it."""


def num_processes(config: LaunchConfig) -> int:
    """One a visible GPU (CUDA_VISIBLE_DEVICES counts), or as many as asked for on CPU."""
    return torch.cuda.device_count() or config.cpu_processes


def launch(spec: TrainingSpec, *, on_progress: Callable[[], None]) -> Path:
    """Train to the end and return the folder of the finished model; at once where it is finished already.

    Args:
        on_progress: called twice a second while training runs, e.g. to read the history's new rows.

    Raises:
        TrainingFailedError: with the first failing worker's error.
        TrainingStopped: a worker was asked to stop from outside; the same command continues.
    """
    folder = Path(spec.folder)
    folder.mkdir(parents=True, exist_ok=True)
    if not is_finished(spec):
        (folder / "spec.json").write_text(json.dumps(to_dict(spec), indent=2) + "\n")
        _run_to_the_end(spec, folder, on_progress)
    return finished_folder(spec)


def is_finished(spec: TrainingSpec) -> bool:
    return finished_folder(spec).is_dir()


def finished_folder(spec: TrainingSpec) -> Path:
    """Where the finished model appears, whole."""
    return Path(spec.folder) / FINISHED


def _run_to_the_end(spec: TrainingSpec, folder: Path, on_progress: Callable[[], None]) -> None:
    error_file = folder / "error.json"
    error_file.unlink(missing_ok=True)
    with _sigterm_raises(), (folder / LOG).open("a") as log:
        process = subprocess.Popen(
            _command(spec, folder),
            env=_environment(spec.launch, error_file),
            stdout=subprocess.PIPE,  # what rank 0 has to say
            stderr=log,  # what torchrun and the libraries have to say
            text=True,
            start_new_session=True,  # Ctrl-C reaches this process alone, which then stops the others in order
        )
        listener = threading.Thread(target=_pass_on, args=(process,), daemon=True)
        listener.start()
        try:
            while process.poll() is None:
                on_progress()
                try:
                    process.wait(_POLL_SECONDS)
                except subprocess.TimeoutExpired:
                    continue
        except BaseException:
            logger.info("stopping; saving a checkpoint ...")
            _stop(process, spec.launch.grace_seconds)
            raise
        listener.join()
        on_progress()
    if process.returncode == STOPPED:
        logger.info("training was asked to stop and saved its progress; run the same command to continue")
        raise TrainingStopped(STOPPED)
    if process.returncode:
        raise TrainingFailedError(_cause(error_file, folder / LOG))


def _command(spec: TrainingSpec, folder: Path) -> list[str]:
    agent = [sys.executable, "-m", "dino_pipeline.dino.training.agent"]
    where = ["--standalone", f"--nproc-per-node={num_processes(spec.launch)}"]
    return [*agent, *where, "-m", "dino_pipeline.dino.training.worker", str(folder / "spec.json")]


def _environment(config: LaunchConfig, error_file: Path) -> dict[str, str]:
    inherited = (
        "RANK",
        "LOCAL_RANK",
        "WORLD_SIZE",
        "LOCAL_WORLD_SIZE",
        "MASTER_ADDR",
        "MASTER_PORT",
        "GROUP_RANK",
    )
    clean = {
        name: value
        for name, value in os.environ.items()
        if name not in inherited and not name.startswith("TORCHELASTIC_")
    }
    return clean | {
        "OMP_NUM_THREADS": str(config.threads_per_process),
        "PYTHONUNBUFFERED": "1",
        "TORCHELASTIC_ERROR_FILE": str(error_file),
    }


def _pass_on(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        logger.info("%s", line.rstrip())


def _stop(process: subprocess.Popen[str], grace_seconds: float) -> None:
    """SIGTERM to the agent, which passes it on; what still runs after the grace period is killed."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            continue
        except ProcessLookupError:
            pass
        return


@contextmanager
def _sigterm_raises() -> Iterator[None]:
    """While training runs, SIGTERM and SIGUSR1 unwind this process instead of ending it at once."""
    if threading.current_thread() is not threading.main_thread():
        yield  # handlers can only be set in the main thread; the agent still watches its parent
        return

    def unwind(number: int, frame: FrameType | None) -> None:  # noqa: ARG001
        raise SystemExit(128 + number)

    before = {number: signal.signal(number, unwind) for number in (signal.SIGTERM, signal.SIGUSR1)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _cause(error_file: Path, log: Path) -> str:
    """The first worker's error in one line, else the log's last words."""
    if error_file.is_file():
        message = json.loads(error_file.read_text())["message"]
        text = message["message"] if isinstance(message, dict) else message
        return f"training failed: {text} (whole log: {log})"
    words = log.read_text(errors="replace").splitlines()[-_LAST_WORDS:]
    return "training failed; its last words:\n" + "\n".join(words) + f"\n(whole log: {log})"
