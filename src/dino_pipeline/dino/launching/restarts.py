"""When torchrun starts its workers again: after one was lost, never after one that failed or was asked to stop."""

import logging
import signal

from torch.distributed.elastic.agent.server.api import RunResult, WorkerGroup, WorkerState
from torch.distributed.elastic.agent.server.local_elastic_agent import LocalElasticAgent
from torch.distributed.elastic.multiprocessing.errors import ProcessFailure
from torch.distributed.launcher import api

_TORCH_KILLS_AFTER = 30  # seconds that torch gives the rest between SIGTERM and SIGKILL

logger = logging.getLogger(__name__)


class RestartsLostWorkers(LocalElasticAgent):
    """Torch's agent, which by itself restarts after every failure.

    An error of the training's own would only come again, and a worker that stopped on request shall stay so. A
    worker that a signal ended (the OOM killer, a lost device) is another matter: the group goes on from its last
    checkpoint.
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
    """The signal that ended a worker, other than those by which torch ends the rest of a group that failed."""
    first = min(failure.timestamp for failure in failures)
    for failure in failures:
        was_ended = failure.exitcode == -signal.SIGTERM or failure.timestamp - first >= _TORCH_KILLS_AFTER
        if failure.exitcode < 0 and not was_ended:
            return signal.Signals(-failure.exitcode)
    return None


def use() -> None:
    """Have torchrun make this agent in the place of its own; it offers no other way."""
    setattr(api, LocalElasticAgent.__name__, RestartsLostWorkers)
