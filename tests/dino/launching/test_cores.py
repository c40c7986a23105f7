"""The cores that a process may use are its affinity, less by the quota of its control group or of one around it."""

import os
from pathlib import Path

import pytest

from dino_pipeline.dino.launching.cores import num_cores

V2, CPU, CPUACCT = (
    "sys/fs/cgroup",
    "sys/fs/cgroup/cpu",
    "sys/fs/cgroup/cpu,cpuacct",
)  # where each is mounted
DOCKER_V1 = "3:cpuset:/docker/abc\n2:cpu,cpuacct:/docker/abc\n"


def quota(folder: str, cores: float) -> dict[str, str]:
    return {
        f"{folder}/cpu.cfs_quota_us": f"{int(cores * 50_000)}\n",
        f"{folder}/cpu.cfs_period_us": "50000\n",
    }


@pytest.mark.parametrize(
    ("own_group", "files", "cores"),
    [
        pytest.param("0::/\n", {f"{V2}/cpu.max": "200000 100000\n"}, 2, id="a container of version 2"),
        pytest.param("0::/\n", {f"{V2}/cpu.max": "150000 100000\n"}, 2, id="one and a half"),
        pytest.param("0::/\n", {f"{V2}/cpu.max": "10000 100000\n"}, 1, id="a tenth"),
        pytest.param("0::/\n", {f"{V2}/cpu.max": "max 100000\n"}, 16, id="no quota"),
        pytest.param("0::/\n", {f"{V2}/cpu.max": "3200000 100000\n"}, 16, id="a quota above the machine"),
        pytest.param(
            "0::/a.slice/b.scope\n",
            {f"{V2}/a.slice/cpu.max": "300000 100000\n", f"{V2}/a.slice/b.scope/cpu.max": "max 100000\n"},
            3,
            id="systemd's slice around the group",
        ),
        pytest.param("1:cpu:/job_7\n", quota(f"{CPU}/job_7", 4), 4, id="a job of version 1"),
        pytest.param(DOCKER_V1, quota(CPUACCT, 3), 3, id="a container that sees its group as the root"),
        pytest.param(DOCKER_V1, quota(CPU, 5), 5, id="the same, mounted under the short name"),
        pytest.param("1:cpu:/\n", quota(CPU, -1), 16, id="version 1 without quota"),
        pytest.param("3:cpuset:/x\n0::/x\n", quota(f"{V2}/cpuset/x", 1), 16, id="another controller's group"),
        pytest.param(None, {}, 16, id="no control groups"),
    ],
)
def test_the_quota_counts(
    own_group: str | None,
    files: dict[str, str],
    cores: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)), raising=False)
    monkeypatch.setattr(os, "process_cpu_count", lambda: 16, raising=False)
    if own_group is not None:
        files = {"proc/self/cgroup": own_group, **files}
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert num_cores(tmp_path) == cores
