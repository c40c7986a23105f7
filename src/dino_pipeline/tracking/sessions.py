"""Record each start and resumption of a training: first step, time, machine and code."""

import json
import os
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import psutil

from dino_pipeline.dino.launching.cores import num_cores
from dino_pipeline.tracking.git_info import origin_tags, uncommitted_diff
from dino_pipeline.tracking.run import ModelRun

_CPUINFO = Path("/proc/cpuinfo")


def log_session(run: ModelRun, project_path: Path, facts: Mapping[str, Any]) -> None:
    """Log a record as the artifacts `sessions/<number>/`, and count it in the run's tag `resumed`.

    Args:
        run: the model's run.
        project_path: the project; its commit and uncommitted edits are logged.
        facts: JSON-ready values about this session, such as its first step.
    """
    begun = datetime.now(UTC).isoformat(timespec="seconds")
    texts = {
        "session.json": _json({"begun": begun, **facts, **origin_tags(project_path)}),
        "environment.json": _json(environment()),
        "requirements.txt": requirements(),
    }
    diff = uncommitted_diff(project_path)
    run.log_session({**texts, **({"uncommitted.diff": diff} if diff else {})})


def requirements() -> str:
    """List every installed package with its version, in pip's format."""
    found = {f"{package.metadata['Name']}=={package.version}" for package in distributions()}
    return "\n".join(sorted(found, key=str.lower)) + "\n"


def environment() -> dict[str, Any]:
    """Python, system, processors, memory and GPUs. The names of the machine and its user are left out."""
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "cpu": _cpu(),
        "cpu_cores": num_cores(),
        "memory_gigabytes": round(psutil.virtual_memory().total / 1e9, 1),
        "gpus": _gpus(),
        "cuda_visible_devices": os.environ.get("CUDA_VISIBLE_DEVICES"),
    }


def _cpu() -> str:
    lines = _CPUINFO.read_text().splitlines() if _CPUINFO.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def _gpus() -> list[dict[str, str]]:
    """Name, memory and driver of each NVIDIA GPU; empty without a GPU or without the extra `gpu`.

    The driver's library answers without CUDA. A process that only observes should not start CUDA.
    """
    try:
        import pynvml
    except ImportError:
        return []
    try:
        pynvml.nvmlInit()
        handles = [pynvml.nvmlDeviceGetHandleByIndex(i) for i in range(pynvml.nvmlDeviceGetCount())]
        return [
            {
                "name": pynvml.nvmlDeviceGetName(handle),
                "memory": f"{pynvml.nvmlDeviceGetMemoryInfo(handle).total // 2**20} MiB",
                "driver": pynvml.nvmlSystemGetDriverVersion(),
            }
            for handle in handles
        ]
    except pynvml.NVMLError:
        return []


def _json(values: Mapping[str, Any]) -> str:
    return json.dumps(values, indent=2, default=str)
