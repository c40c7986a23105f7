"""The CPU cores that this process may use: the machine's, less by its affinity, less by a container's quota."""

import math
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath


def num_cores(root: Path = Path("/")) -> int:
    """Count the cores. A quota of one and a half cores counts as two.

    Args:
        root: the folder that contains proc and sys.
    """
    if hasattr(os, "process_cpu_count"):  # Python 3.13, which also reads PYTHON_CPU_COUNT
        count = os.process_cpu_count() or 1
    else:
        count = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, math.ceil(min([count, *_quotas(root)])))


def _quotas(root: Path) -> Iterator[float]:
    """Cores by each quota of this process's group and the groups around it.

    Files: https://docs.kernel.org/admin-guide/cgroup-v2.html#cpu-interface-files (cpu.max) and
    https://docs.kernel.org/scheduler/sched-bwc.html (cpu.cfs_quota_us). A container often sees only its own group, at
    the place of the outermost one.
    """
    groups = root / "sys/fs/cgroup"
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        own = PurePosixPath(path.lstrip("/"))
        for group in (own, *own.parents):
            for folder in (
                (groups / controllers / group, groups / "cpu" / group) if controllers else (groups / group,)
            ):
                yield from _quota(folder)


def _quota(folder: Path) -> Iterator[float]:
    """The quota of one group, if it has one: `cpu.max` is "max 100000" without, the older file -1."""
    try:
        if (folder / "cpu.max").is_file():
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            quota, period = ((folder / f"cpu.cfs_{name}_us").read_text() for name in ("quota", "period"))
        if quota != "max" and int(quota) > 0:
            yield int(quota) / int(period)
    except (OSError, ValueError):
        return
