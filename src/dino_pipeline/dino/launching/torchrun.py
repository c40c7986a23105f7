"""Run workers under torchrun, forward their output, and never leave workers running when this process ends."""

import json
import logging
import os
import signal
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

import psutil
import torch

from dino_pipeline.dino.launching.bound import PARENT, STOPPED
from dino_pipeline.dino.launching.command import in_case_of_killed_loader
from dino_pipeline.dino.launching.loopback import BACKEND
from dino_pipeline.dino.launching.stop import NUMBERS
from dino_pipeline.dino.launching.watchdog import Watchdog
from dino_pipeline.dino.progress import beat

logger = logging.getLogger(__name__)

RUN = "DINO_PIPELINE_RUN"  # in the environment of every process of a run, however deep: its name
_POLL_SECONDS = 0.5
_LOOPBACK = "lo0" if sys.platform == "darwin" else "lo"
_AGAIN = "Run the same command again: a training continues from its last checkpoint"
_LAST_WORDS = 30  # lines of the log that an error shows


class WorkersFailedError(RuntimeError):
    """torchrun ended with an error. The message contains the cause."""


class WorkersStopped(SystemExit):
    """The workers stopped on request and saved their progress. This ends the pipeline without an error."""


def num_processes(cpu_processes: int) -> int:
    """One process per visible GPU (CUDA_VISIBLE_DEVICES applies), or `cpu_processes` without a GPU."""
    return torch.cuda.device_count() or cpu_processes


def run(
    module: str,
    spec: Path,
    *,
    num_processes: int,
    threads_per_process: int,
    max_restarts: int,
    grace_seconds: float,
    stall_minutes: float,
    log: Path,
    keeps_log: bool = True,
    on_progress: Callable[[], None],
) -> None:
    """Run `python -m module spec` in every process until all are done.

    Args:
        max_restarts: how often all processes restart after a signal ended one of them
        stall_minutes: the run is ended if no worker gets on for so long
        log: receives the output of torchrun and the libraries; error.json next to it receives an error's cause
        keeps_log: whether the log stays afterwards, so that an error may name it
        on_progress: called twice a second meanwhile

    Raises:
        WorkersFailedError: with the error of the first worker that failed, or where each stands if none gets on.
        WorkersStopped: something outside stopped a worker; the same command continues.
    """
    error_file = log.with_name("error.json")
    error_file.unlink(missing_ok=True)
    whole_log = f" (whole log: {log})" if keeps_log else ""
    bound = ["-m", "dino_pipeline.dino.launching.bound"]
    name = uuid.uuid4().hex
    with (
        _signals_unwind(),
        log.open("a") as opened,
        tempfile.TemporaryDirectory(prefix="dino-pulse-", ignore_cleanup_errors=True) as pulses,
    ):
        watchdog = Watchdog(Path(pulses), num_processes=num_processes, minutes=stall_minutes)
        process = subprocess.Popen(
            [
                sys.executable,
                *bound,
                "dino_pipeline.dino.launching.agent",
                f"--rdzv-backend={BACKEND}",
                f"--nproc-per-node={num_processes}",
                f"--max-restarts={max_restarts}",
                *bound,
                module,
                str(spec),
            ],
            env=_environment(threads_per_process, error_file) | watchdog.environment | {RUN: name},
            stdout=subprocess.PIPE,  # the output of rank 0; it ends with the last process of the run
            stderr=opened,
            text=True,
            close_fds=False,  # a run's lock is inheritable and holds until the last worker has ended
            start_new_session=True,  # Ctrl-C reaches only this process, which then stops the others in order
        )
        listener = threading.Thread(target=_pass_on, args=(process,), daemon=True)
        listener.start()
        try:
            while process.poll() is None:
                on_progress()
                beat()  # the workers have a watchdog of their own
                if watchdog.is_still():
                    report = watchdog.report()
                    process.kill()  # nothing of it would end on request, nor save anything
                    raise WorkersFailedError(f"{report}. {_AGAIN}{whole_log}")
                try:
                    process.wait(_POLL_SECONDS)
                except subprocess.TimeoutExpired:
                    continue
        except BaseException:
            if process.poll() is None:
                logger.info("stopping ...")
                _stop(process, grace_seconds)
            _end_rest(listener, name, grace_seconds=0)
            raise
        # Workers whose agent was killed save their progress.
        _end_rest(listener, name, grace_seconds=grace_seconds)
        on_progress()
    status = process.returncode
    if status == STOPPED or -status in NUMBERS:
        logger.info(
            "the workers were asked to stop, and a training saved its progress: run the same command to continue"
        )
        raise WorkersStopped(STOPPED)
    if status < 0:
        raise WorkersFailedError(
            f"torchrun's process was ended by {signal.Signals(-status).name}, which may mean that memory ran out. "
            f"{_AGAIN}{whole_log}"
        )
    if status:
        raise WorkersFailedError(_cause(error_file, log) + whole_log)


def log_to_launcher(*, rank: int) -> None:
    """In a worker: print log messages to standard output, which the launcher passes on. Ranks above 0 only warn."""
    logging.basicConfig(
        level=logging.INFO if rank == 0 else logging.WARNING, format="%(message)s", stream=sys.stdout
    )


def _environment(threads_per_process: int, error_file: Path) -> dict[str, str]:
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
        "OMP_NUM_THREADS": str(threads_per_process),
        "PYTHONUNBUFFERED": "1",
        # Gloo and NCCL listen, too.
        "GLOO_SOCKET_IFNAME": _LOOPBACK,
        "NCCL_SOCKET_IFNAME": _LOOPBACK,
        "TORCHELASTIC_ERROR_FILE": str(error_file),
        PARENT: str(os.getpid()),
    }


def _pass_on(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    for line in process.stdout:
        logger.info("%s", line.rstrip())


def _stop(process: subprocess.Popen[str], grace_seconds: float) -> None:
    """Send SIGTERM to the agent, which forwards it; kill what still runs after the grace period."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(process.pid, number)
            process.wait(grace_seconds)
        except subprocess.TimeoutExpired:
            continue
        except ProcessLookupError:
            pass
        return


def _end_rest(listener: threading.Thread, name: str, *, grace_seconds: float) -> None:
    """Wait until every process of a run has ended, which ends its output; kill what still runs after that time."""
    listener.join(_POLL_SECONDS + grace_seconds)
    if listener.is_alive():
        for process in _processes(name):
            with suppress(psutil.NoSuchProcess):
                process.kill()
        listener.join(_POLL_SECONDS)


def _processes(name: str) -> list[psutil.Process]:
    """All processes of a run, this one excluded. Those of other users are none of it."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.environ().get(RUN) == name:
                found.append(process)
    return found


@contextmanager
def _signals_unwind() -> Iterator[None]:
    """While workers run, SIGTERM and SIGUSR1 raise SystemExit here, so that the workers are stopped first."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread can set handlers; the agent still watches its parent
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
    """The first worker's error in one line, or the log's last lines."""
    if error_file.is_file():
        message = json.loads(error_file.read_text())["message"]
        text = message["message"] if isinstance(message, dict) else message
        return in_case_of_killed_loader(str(text))
    words = log.read_text(errors="replace").splitlines()[-_LAST_WORDS:]
    return "the workers' last output:\n" + "\n".join(words)
