"""The machine is watched as long as a model trains, and an outage of the store stops neither."""

import logging
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pynvml
import pytest
from mlflow import MlflowClient

from dino_pipeline import tracking
from dino_pipeline.tracking import system_metrics
from dino_pipeline.tracking.sessions import environment, requirements
from dino_pipeline.tracking.system_metrics import SystemMetrics


@pytest.fixture
def two_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has them, as far as its driver's library says; the second does not measure its power."""

    def power(gpu: int) -> int:
        if gpu == 1:
            raise pynvml.NVMLError(pynvml.NVML_ERROR_NOT_SUPPORTED)
        return 101_260  # milliwatts

    answers = {
        "nvmlInit": lambda: None,
        "nvmlDeviceGetCount": lambda: 2,
        "nvmlDeviceGetHandleByIndex": lambda i: i,
        "nvmlDeviceGetName": lambda gpu: f"NVIDIA {'AB'[gpu]}",
        "nvmlSystemGetDriverVersion": lambda: "550.1",
        "nvmlDeviceGetMemoryInfo": lambda gpu: SimpleNamespace(used=(1 - gpu) * 2**30, total=4 * 2**30),
        "nvmlDeviceGetUtilizationRates": lambda gpu: SimpleNamespace(gpu=81 * (1 - gpu)),
        "nvmlDeviceGetPowerUsage": power,
        "nvmlDeviceGetEnforcedPowerLimit": lambda _: 400_000,
    }
    for name, answer in answers.items():
        monkeypatch.setattr(pynvml, name, answer)


def test_short_trainings_have_a_sample_and_the_watcher_ends_with_them(client: MlflowClient) -> None:
    with tracking.open_model_run("f1", name="demo") as run, SystemMetrics(run):
        time.sleep(0.2)
    assert not [thread for thread in threading.enumerate() if thread.name == "system metrics"]
    metrics = client.get_run(run.run_id).data.metrics
    assert 0 < metrics["system/system_memory_usage_percentage"] <= 100
    assert {"system/cpu_utilization_percentage", "system/disk_usage_percentage"} < metrics.keys()


@pytest.mark.usefixtures("two_gpus")
def test_every_gpu_is_watched_by_mlflows_monitor(
    client: MlflowClient, caplog: pytest.LogCaptureFixture
) -> None:
    with (
        caplog.at_level(logging.WARNING),
        tracking.open_model_run("f1", name="demo") as run,
        SystemMetrics(run),
    ):
        pass
    assert not caplog.records  # of the figures that the second GPU does not have
    metrics = client.get_run(run.run_id).data.metrics
    assert {name: value for name, value in metrics.items() if name.startswith("system/gpu_")} == {
        "system/gpu_0_utilization_percentage": 81.0,
        "system/gpu_0_memory_usage_megabytes": 1073.7,
        "system/gpu_0_memory_usage_percentage": 25.0,
        "system/gpu_0_power_usage_watts": 101.3,
        "system/gpu_0_power_usage_percentage": 25.3,
        "system/gpu_1_utilization_percentage": 0.0,
        "system/gpu_1_memory_usage_megabytes": 0.0,
        "system/gpu_1_memory_usage_percentage": 0.0,
    }
    assert environment()["gpus"] == [
        {"name": "NVIDIA A", "memory": "4096 MiB", "driver": "550.1"},
        {"name": "NVIDIA B", "memory": "4096 MiB", "driver": "550.1"},
    ]


def test_without_the_library_or_a_gpu_the_rest_is_watched(
    client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "pynvml")  # what MLflow's monitor looks at
    with tracking.open_model_run("f1", name="demo") as run, SystemMetrics(run):
        pass
    metrics = client.get_run(run.run_id).data.metrics
    assert "system/disk_usage_percentage" in metrics
    assert not any("gpu" in name for name in metrics)


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
