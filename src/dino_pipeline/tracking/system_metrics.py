"""Log the load of the machine during training as the run's system metrics."""

import threading
from contextlib import suppress
from types import TracebackType
from typing import TYPE_CHECKING, Self

from dino_pipeline.tracking.run import ModelRun

if TYPE_CHECKING:
    from mlflow.system_metrics.metrics.base_metrics_monitor import BaseMetricsMonitor

_SECONDS_BETWEEN_SAMPLES = 10.0
_SECONDS_TO_END = 60.0
_PREFIX = "system/"  # MLflow's prefix; its page shows such metrics separately


class SystemMetrics:
    """A context that samples processors, memory, disk, network and GPUs by MLflow's monitors.

    MLflow's own loop ends at the first outage of the store. This one sends its samples later, like the history.
    A metric's step is the number of seconds since the run began, so a resumed training continues after a gap.
    """

    def __init__(self, run: ModelRun) -> None:
        self._run = run
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="system metrics", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join(_SECONDS_TO_END)  # not for ever, if the store does not answer

    def _watch(self) -> None:
        monitors = _monitors()
        monitors[0].collect_metrics()  # CPU load since the last call: this call sets the start
        monitors[0].clear_metrics()
        has_ended = False
        while not has_ended:
            has_ended = self._ended.wait(_SECONDS_BETWEEN_SAMPLES)
            row: dict[str, float] = {}
            for monitor in monitors:
                monitor.collect_metrics()
                row |= {_PREFIX + name: value for name, value in monitor.aggregate_metrics().items()}
                monitor.clear_metrics()
            self._run.log_rows([row])


def _monitors() -> "list[BaseMetricsMonitor]":
    from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
    from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
    from mlflow.system_metrics.metrics.gpu_monitor import GPUMonitor
    from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor

    monitors: list[BaseMetricsMonitor] = [CPUMonitor(), DiskMonitor(), NetworkMonitor()]
    with suppress(ImportError, RuntimeError):  # without the extra `gpu`, or without a GPU
        monitors.append(GPUMonitor())
    return monitors
