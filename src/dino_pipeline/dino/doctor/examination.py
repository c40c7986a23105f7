"""Run the checks one after another. Each has its own processes and its own time limit, so that none stops another."""

import json
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch

from dino_pipeline.dino.core.config import from_dict, to_dict
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.doctor import machine_checks
from dino_pipeline.dino.doctor.device_checks import CheckFailedError, Finding, NotApplicableError
from dino_pipeline.dino.doctor.worker import FINDING
from dino_pipeline.dino.launching import torchrun
from dino_pipeline.dino.launching.torchrun import WorkersFailedError
from dino_pipeline.dino.training.config import LaunchConfig, MonitoringConfig, TrainingSpec

LIMIT_SECONDS = 165.0  # of all checks together
_GRACE_SECONDS = 5.0
_LAST_LINES = 30


class Check(NamedTuple):
    """How to run a check, and what to do where it fails."""

    remedy: str
    limit_seconds: float = 45.0
    cpu_processes: int = 1  # without a GPU; with GPUs, there is one process per visible GPU
    max_restarts: int = 0
    needs_gpu: bool = False


ON_THIS_MACHINE: dict[str, str] = {
    "versions": "install torch for this driver's CUDA version (https://pytorch.org/get-started), or look at "
    "CUDA_VISIBLE_DEVICES",
    "space": "free it, or run from another folder (--folder); in a container, raise --shm-size and --memory",
}
UNDER_TORCHRUN: dict[str, Check] = {
    "collectives": Check(
        "run it again with NCCL_DEBUG=INFO; where GPUs cannot reach each other directly, NCCL_P2P_DISABLE=1 helps",
        cpu_processes=2,
    ),
    "bf16": Check("set pretrain.precision to fp32, and report it"),
    "no_waiting": Check("trainings are right and slower than they could be: report it", needs_gpu=True),
    "resume": Check("do not rely on resuming here: report it", limit_seconds=90, max_restarts=1),
    "loader": Check("set launch.loader_workers lower, and look at shared memory (a container's --shm-size)"),
    "compile": Check("keep launch.compile false", limit_seconds=90),
}
NAMES = (*ON_THIS_MACHINE, *UNDER_TORCHRUN)


class CheckResult(NamedTuple):
    """A row of the table."""

    check: str
    status: Literal["passed", "failed", "not applicable"]
    found: str  # one line
    seconds: float
    next: str  # what to do; empty where there is nothing
    log: str = ""  # of a failed check: the end of its log


def examine(
    parameters: Mapping[str, Any], *, folder: Path, checks: Sequence[str] = NAMES
) -> Iterator[CheckResult]:
    """Run checks, and yield each result when it is there. A failing check raises nothing.

    Args:
        parameters: the groups `pretrain`, `monitoring` and `launch` of a small recipe.
        folder: where a project lies, whose disk is looked at.
        checks: some of `NAMES`.
    """
    deadline = time.monotonic() + LIMIT_SECONDS
    for name in checks:
        if name == "versions":
            yield _result(name, ON_THIS_MACHINE[name], machine_checks.versions)
        elif name == "space":
            yield _result(name, ON_THIS_MACHINE[name], lambda: machine_checks.space(folder))
        else:
            yield _under_torchrun(name, parameters, seconds_left=deadline - time.monotonic())


def _under_torchrun(name: str, parameters: Mapping[str, Any], *, seconds_left: float) -> CheckResult:
    check = UNDER_TORCHRUN[name]
    if check.needs_gpu and not torch.cuda.is_available():
        return CheckResult(name, "not applicable", "torch sees no GPU", 0.0, "")
    limit = min(check.limit_seconds, seconds_left)
    if limit < 1:
        return CheckResult(name, "not applicable", _left_out(name), 0.0, "")
    log = ""

    def run() -> Finding:
        nonlocal log
        with tempfile.TemporaryDirectory(prefix="dino-doctor-") as scratch:
            try:
                return _launch(name, check, parameters, Path(scratch), limit)
            finally:
                file = Path(scratch) / "check.log"
                if file.is_file():
                    log = "\n".join(file.read_text(errors="replace").splitlines()[-_LAST_LINES:])

    result = _result(name, check.remedy, run)
    return result._replace(log=log) if result.status == "failed" else result


def _launch(name: str, check: Check, parameters: Mapping[str, Any], folder: Path, limit: float) -> Finding:
    """Run a check in one process for each GPU, or in its number of processes on the CPU."""
    num_processes = torchrun.num_processes(check.cpu_processes)
    values = from_dict(PretrainConfig, parameters["pretrain"])
    channels = values.images.channels
    spec = TrainingSpec(
        fingerprint="doctor",
        recipe=name,
        manifest="",
        image_root="",
        folder=str(folder),
        pretrain=replace(
            values,
            batch_size=8 * num_processes,
            accumulation_steps=1,
            mean=(0.5,) * channels,
            std=(0.25,) * channels,
        ),
        monitoring=from_dict(MonitoringConfig, parameters["monitoring"]),
        launch=from_dict(LaunchConfig, parameters["launch"]),
    )
    file = folder / "check.json"
    file.write_text(json.dumps(to_dict(spec)))
    ends = time.monotonic() + limit

    def stop_when_over() -> None:
        if time.monotonic() > ends and limit < check.limit_seconds:  # a slow machine is not a broken one
            raise NotApplicableError(_left_out(name))
        if time.monotonic() > ends:
            raise TimeoutError(f"it did not end within {limit:.0f} s")

    try:
        torchrun.run(
            "dino_pipeline.dino.doctor.worker",
            file,
            num_processes=num_processes,
            threads_per_process=spec.launch.threads_per_process,
            max_restarts=check.max_restarts,
            grace_seconds=_GRACE_SECONDS,
            stall_minutes=spec.launch.stall_minutes,
            log=folder / "check.log",
            keeps_log=False,
            on_progress=stop_when_over,
        )
    except WorkersFailedError as error:
        raise CheckFailedError(_in_words(str(error))) from error
    found = json.loads((folder / FINDING).read_text())
    if found.pop("status") == "not applicable":
        raise NotApplicableError(found["text"])
    return Finding(**found)


def _left_out(name: str) -> str:
    return f"left out, since {LIMIT_SECONDS:.0f} s were over: run it alone (--only {name})"


def _in_words(error: str) -> str:
    """The first worker's error without the name of our own class."""
    return re.sub(r"^(\w+\.)*CheckFailedError: ", "", error).strip()


def _result(name: str, remedy: str, run: Callable[[], Finding]) -> CheckResult:
    """Run a check and time it. Whatever it raises is its result."""
    start = time.monotonic()
    status: Literal["passed", "failed", "not applicable"]
    try:
        found, advice = run()
        status = "passed"
    except NotApplicableError as error:
        status, found, advice = "not applicable", str(error), ""
    except Exception as error:  # whatever is broken here is what a doctor is called for
        status, advice = "failed", remedy
        found = str(error) if isinstance(error, CheckFailedError) else f"{type(error).__name__}: {error}"
    return CheckResult(
        name, status, " ".join(found.split())[:500], round(time.monotonic() - start, 1), advice
    )
