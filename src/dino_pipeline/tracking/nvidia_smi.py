"""NVIDIA's GPUs as nvidia-smi tells of them: without CUDA, which a process that only watches should not start."""

import csv
import subprocess

_BYTES_A_MEBIBYTE = 2**20


def gpu_facts() -> list[dict[str, str]]:
    """Name, memory and driver of each GPU; none where there is none."""
    names = ("name", "memory.total", "driver_version")
    return [dict(zip(("name", "memory", "driver"), row, strict=True)) for row in _query(names)]


def gpu_usage() -> dict[str, float]:
    """Utilization, memory and power of each GPU, under MLflow's names; what a GPU does not tell is left out."""
    usage: dict[str, float] = {}
    for index, row in enumerate(_query(("utilization.gpu", "memory.used", "memory.total", "power.draw"))):
        utilization, used, total, power = (_number(cell) for cell in row)
        known = {
            "utilization_percentage": utilization,
            "memory_usage_megabytes": None if used is None else used * _BYTES_A_MEBIBYTE / 1e6,
            "memory_usage_percentage": None if used is None or not total else 100 * used / total,
            "power_usage_watts": power,
        }
        usage |= {f"gpu_{index}_{name}": round(v, 1) for name, v in known.items() if v is not None}
    return usage


def _query(names: tuple[str, ...]) -> list[list[str]]:
    command = ["nvidia-smi", f"--query-gpu={','.join(names)}", "--format=csv,noheader"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=10)
    except (OSError, subprocess.SubprocessError):
        return []
    return list(csv.reader(done.stdout.splitlines(), skipinitialspace=True))


def _number(cell: str) -> float | None:
    """Of "81 %", "1024 MiB" or "[N/A]"."""
    try:
        return float(cell.split()[0])
    except ValueError:
        return None
