"""On what a model was made: packages as installed, Python, processors."""

import os
import platform
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import psutil

from dino_pipeline.tracking.nvidia_smi import gpu_facts

_CPUINFO = Path("/proc/cpuinfo")


def requirements() -> str:
    """Every installed package with its version, as pip reads it."""
    found = {f"{package.metadata['Name']}=={package.version}" for package in distributions()}
    return "\n".join(sorted(found, key=str.lower)) + "\n"


def environment() -> dict[str, Any]:
    """Python, system, processors and memory; no name of the machine or its user."""
    return {
        "python": platform.python_version(),
        "system": platform.platform(),
        "cpu": _cpu(),
        "cpu_cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gigabytes": round(psutil.virtual_memory().total / 1e9, 1),
        "gpus": gpu_facts(),
        "cuda_visible_devices": os.environ.get("CUDA_VISIBLE_DEVICES"),
    }


def _cpu() -> str:
    lines = _CPUINFO.read_text().splitlines() if _CPUINFO.is_file() else []
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())
