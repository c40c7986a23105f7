"""Checks of the machine without a training: what is installed, and the space that is free."""

import os
import platform
import shutil
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import psutil
import torch

from dino_pipeline.dino.doctor.device_checks import CheckFailedError, Finding
from dino_pipeline.dino.launching.cores import num_cores

PACKAGES = ("dino-pipeline", "torch", "torchvision", "timm", "numpy", "pyarrow", "opencv-python-headless")
_DRIVER = Path("/proc/driver/nvidia/version")  # of a loaded kernel module
_SHARED_MEMORY = Path("/dev/shm")
# Gigabytes, below which trainings of this project's smallest recipes fail.
_LEAST = {"memory": 2.0, "disk": 2.0, "shared memory": 0.25}


def facts() -> dict[str, Any]:
    """Machine, versions of packages, driver and libraries, and GPUs."""
    has_gpu = torch.cuda.is_available()
    return {
        "machine": f"{platform.machine()}, {num_cores()} cores, {platform.platform()}",
        "python": platform.python_version(),
        "packages": {package: version(package) for package in PACKAGES},
        "driver": driver(),
        "cuda": torch.version.cuda,
        "nccl": ".".join(map(str, torch.cuda.nccl.version())) if has_gpu else None,
        "gpus": [
            f"{torch.cuda.get_device_name(number)}, {torch.cuda.mem_get_info(number)[1] / 2**30:.0f} GiB"
            for number in range(torch.cuda.device_count())
        ],
    }


def driver() -> str | None:
    """The version of NVIDIA's kernel module; None where none is loaded."""
    if not _DRIVER.is_file():
        return None
    words = _DRIVER.read_text().split()
    return next((word for word in words if word[0].isdigit() and "." in word), "unknown")


def versions() -> Finding:
    """The versions, and that torch finds the GPU whose driver is loaded."""
    found = facts()
    if found["driver"] and not found["gpus"]:
        raise CheckFailedError(
            f"NVIDIA's driver {found['driver']} is loaded, and torch {found['packages']['torch']} sees no GPU"
        )
    where = (
        f"{len(found['gpus'])} x {found['gpus'][0]}, driver {found['driver']}" if found["gpus"] else "no GPU"
    )
    packages = found["packages"]
    return Finding(f"torch {packages['torch']}, timm {packages['timm']}, Python {found['python']}, {where}")


def space(folder: Path) -> Finding:
    """Free memory, disk and shared memory, and that a file can be written to the folder.

    Args:
        folder: where a project lies, with its models.
    """
    with tempfile.NamedTemporaryFile(dir=folder) as file:
        file.write(b"\0" * 2**20)
        file.flush()
        os.fsync(file.fileno())
    free = {"memory": psutil.virtual_memory().available, "disk": shutil.disk_usage(folder).free}
    if _SHARED_MEMORY.is_dir():
        free["shared memory"] = shutil.disk_usage(_SHARED_MEMORY).free
    short = [name for name, size in free.items() if size < _LEAST[name] * 2**30]
    if short:
        raise CheckFailedError(
            " and ".join(f"{free[name] / 2**30:.2f} GiB of {name} are free" for name in short)
            + f"; a training needs {' and '.join(f'{_LEAST[name]:g}' for name in short)}"
        )
    text = ", ".join(f"{size / 2**30:.1f} GiB of {name}" for name, size in free.items())
    gpus = (torch.cuda.mem_get_info(number)[0] / 2**30 for number in range(torch.cuda.device_count()))
    return Finding("free: " + text + "".join(f", {size:.1f} GiB of GPU {n}" for n, size in enumerate(gpus)))
