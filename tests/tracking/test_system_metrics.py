"""The machine is watched as long as a model trains, and an outage of the store stops neither."""

import os
import threading
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient

from dino_pipeline import tracking
from dino_pipeline.tracking import system_metrics
from dino_pipeline.tracking.nvidia_smi import gpu_facts, gpu_usage
from dino_pipeline.tracking.sessions import environment, requirements
from dino_pipeline.tracking.system_metrics import SystemMetrics

# Answers as nvidia-smi of two GPUs, the second of which does not tell its power.
SMI = """#!/bin/sh
case "$1" in
  *utilization*) echo "81 %, 1024 MiB, 4096 MiB, 101.26 W"; echo "0 %, 0 MiB, 4096 MiB, [N/A]";;
  *) echo "NVIDIA A, 4096 MiB, 550.1"; echo "NVIDIA B, 4096 MiB, 550.1";;
esac
"""


@pytest.fixture
def two_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has them, as far as its tool tells."""
    tool = tmp_path / "bin" / "nvidia-smi"
    tool.parent.mkdir()
    tool.write_text(SMI)
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}{os.pathsep}{os.environ['PATH']}")


def test_short_trainings_have_a_sample_and_the_watcher_ends_with_them(client: MlflowClient) -> None:
    with tracking.open_model_run("f1", name="demo") as run, SystemMetrics(run):
        time.sleep(0.2)
    assert not [thread for thread in threading.enumerate() if thread.name == "system metrics"]
    metrics = client.get_run(run.run_id).data.metrics
    assert 0 < metrics["system/system_memory_usage_percentage"] <= 100
    assert {"system/cpu_utilization_percentage", "system/disk_usage_percentage"} < metrics.keys()


@pytest.mark.usefixtures("two_gpus")
def test_every_gpu_is_watched_under_mlflows_names() -> None:
    assert gpu_usage() == {
        "gpu_0_utilization_percentage": 81.0,
        "gpu_0_memory_usage_megabytes": 1073.7,
        "gpu_0_memory_usage_percentage": 25.0,
        "gpu_0_power_usage_watts": 101.3,
        "gpu_1_utilization_percentage": 0.0,
        "gpu_1_memory_usage_megabytes": 0.0,
        "gpu_1_memory_usage_percentage": 0.0,
    }
    assert gpu_facts()[1] == {"name": "NVIDIA B", "memory": "4096 MiB", "driver": "550.1"}


def test_samples_of_an_outage_are_sent_later(
    project: Path, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dino_pipeline.tracking.retry._SECONDS_TO_FIRST_TRY", 0.0)
    monkeypatch.setattr(system_metrics, "_SECONDS_BETWEEN_SAMPLES", 0.05)
    database = project / "mlruns" / "mlflow.db"
    with tracking.open_model_run("f1", name="demo") as run:
        whole = database.read_bytes()
        database.write_bytes(b"this is no database" * 1000)
        with SystemMetrics(run):
            time.sleep(1.0)
        database.write_bytes(whole)
    points = client.get_metric_history(run.run_id, "system/cpu_utilization_percentage")
    assert len(points) >= 2


def test_the_environment_names_this_python_and_its_packages() -> None:
    assert environment()["python"] == ".".join(map(str, __import__("sys").version_info[:3]))
    assert environment()["cpu_cores"] >= 1
    lines = requirements().splitlines()
    assert f"mlflow=={__import__('mlflow').__version__}" in lines
    assert lines == sorted(set(lines), key=str.lower)
