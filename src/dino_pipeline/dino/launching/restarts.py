"""Restart policy: torchrun restarts its workers if one was lost, but not if one failed or stopped on request."""

import logging
import signal

from torch.distributed.elastic.agent.server.api import RunResult, WorkerGroup, WorkerState
from torch.distributed.elastic.agent.server.local_elastic_agent import LocalElasticAgent
from torch.distributed.elastic.multiprocessing.errors import ProcessFailure
from torch.distributed.launcher import api

_TORCH_KILLS_AFTER = 30  # seconds that torch waits between SIGTERM and SIGKILL

logger = logging.getLogger(__name__)


class RestartsLostWorkers(LocalElasticAgent):
    """Torch's agent, changed to restart only after a lost worker.

    By itself it restarts after every failure. But an error of the training would only occur again, and a worker that
    stopped on request must stay stopped. If a signal ended a worker (the OOM killer, a lost device), the group restarts
    from its last checkpoint.
    """

    def _monitor_workers(self, worker_group: WorkerGroup) -> RunResult:
        result: RunResult = super()._monitor_workers(worker_group)
        if result.state == WorkerState.FAILED:
            lost = _lost(list(result.failures.values()))
            if lost is None:
                self._remaining_restarts = 0
            elif self._remaining_restarts:
                logger.warning(
                    "a worker was lost (%s): all start again from the last checkpoint, %d more times at most",
                    lost.name,
                    self._remaining_restarts,
                )
        return result


def _lost(failures: list[ProcessFailure]) -> signal.Signals | None:
    """The signal that ended a worker, except the signals by which torch ends the rest of a failed group."""
    first = min(failure.timestamp for failure in failures)
    for failure in failures:
        was_ended = failure.exitcode == -signal.SIGTERM or failure.timestamp - first >= _TORCH_KILLS_AFTER
        if failure.exitcode < 0 and not was_ended:
            return signal.Signals(-failure.exitcode)
    return None


def use() -> None:
    """Patch torchrun to use this agent. It has no option for this."""
    setattr(api, LocalElasticAgent.__name__, RestartsLostWorkers)
