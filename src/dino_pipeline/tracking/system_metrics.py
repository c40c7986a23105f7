"""How busy the machine is while a model trains, in the run's system metrics."""

import threading
from types import TracebackType
from typing import Self

from dino_pipeline.tracking.nvidia_smi import gpu_usage
from dino_pipeline.tracking.run import ModelRun

_SECONDS_BETWEEN_SAMPLES = 10.0
_PREFIX = "system/"  # MLflow's, whose page shows such metrics apart


class SystemMetrics:
    """A context in which processors, memory, disk, network and GPUs are watched.

    MLflow's own monitor ends at the first outage of the store; this one sends what it has later, as the history does.
    A metric's step is the number of seconds since the run began, so that a resumed training goes on after a gap.
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
        self._thread.join()

    def _watch(self) -> None:
        from mlflow.system_metrics.metrics.cpu_monitor import CPUMonitor
        from mlflow.system_metrics.metrics.disk_monitor import DiskMonitor
        from mlflow.system_metrics.metrics.network_monitor import NetworkMonitor

        monitors = [CPUMonitor(), DiskMonitor(), NetworkMonitor()]
        monitors[0].collect_metrics()  # of no time at all; from here on it measures since the last
        monitors[0].clear_metrics()
        has_ended = False
        while not has_ended:
            has_ended = self._ended.wait(_SECONDS_BETWEEN_SAMPLES)
            sample = gpu_usage()
            for monitor in monitors:
                monitor.collect_metrics()
                sample |= monitor.aggregate_metrics()
                monitor.clear_metrics()
            row = {_PREFIX + name: value for name, value in sample.items()}
            self._run.log_rows([row])
