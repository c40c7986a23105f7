"""torchrun, changed where it has no option: workers end with their parent, inherit its locks, and restart if lost."""

import json
import logging
import os
import signal
import sys
from pathlib import Path
from subprocess import Popen
from typing import Any

from torch.distributed.elastic.agent.server.api import RunResult, WorkerGroup, WorkerState
from torch.distributed.elastic.agent.server.local_elastic_agent import LocalElasticAgent
from torch.distributed.elastic.multiprocessing.api import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.elastic.multiprocessing.subprocess_handler.subprocess_handler import SubprocessHandler
from torch.distributed.launcher import api
from torch.distributed.run import main as torchrun

from dino_pipeline.dino.launching import loopback
from dino_pipeline.dino.launching.bound import PARENT, STOPPED
from dino_pipeline.dino.launching.stop import NUMBERS

# A worker that has not joined its group yet has nothing to save, and a request to stop ends it by its signal.
_REQUESTED = {STOPPED, *(-number for number in NUMBERS)}
_TORCH_KILLS_AFTER = 30  # seconds that torch waits between SIGTERM and SIGKILL

logger = logging.getLogger(__name__)


def main() -> int:
    """Run torchrun with this process's arguments; return 75 if its workers stopped on request."""
    # torchrun forwards SIGTERM to its workers, but not SIGUSR1, the notice of preemption.
    signal.signal(signal.SIGUSR1, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    logger.addHandler(logging.StreamHandler(sys.stdout))  # torchrun.py logs what arrives there
    loopback.use()
    setattr(api, LocalElasticAgent.__name__, RestartsLostWorkers)
    setattr(SubprocessHandler, "_popen", _start_bound)  # noqa: B010
    try:
        torchrun(sys.argv[1:])
    except SignalException:
        return STOPPED
    except ChildFailedError as error:
        if all(failure.exitcode in _REQUESTED for failure in error.failures.values()):
            return STOPPED
        lost = _lost(list(error.failures.values()))
        if lost is not None:
            Path(os.environ["TORCHELASTIC_ERROR_FILE"]).write_text(
                json.dumps(
                    {"message": f"a worker was ended by {lost.name}, which may mean that memory ran out"}
                )
            )
        raise
    return 0


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
                    "a worker was lost (%s): all workers restart from the last checkpoint (at most %d more "
                    "restarts)",
                    lost.name,
                    self._remaining_restarts,
                )
        return result


def _lost(failures: list[ProcessFailure]) -> signal.Signals | None:
    """The signal that ended a worker, except a request to stop, by which torch also ends the rest of a failed group."""
    first = min(failure.timestamp for failure in failures)
    for failure in failures:
        was_ended = failure.exitcode in _REQUESTED or failure.timestamp - first >= _TORCH_KILLS_AFTER
        if failure.exitcode < 0 and not was_ended:
            return signal.Signals(-failure.exitcode)
    return None


def _start_bound(
    self: SubprocessHandler, arguments: tuple[str, ...], environment: dict[str, str]
) -> "Popen[Any]":
    """Start a worker that ends with this process, and inherits open files.

    One of them is a run's lock, which then holds until the last worker ends.
    """
    return Popen(
        arguments,
        env=environment | {PARENT: str(os.getpid())},
        stdout=self._stdout,
        stderr=self._stderr,
        start_new_session=True,
        close_fds=False,
    )


if __name__ == "__main__":
    sys.exit(main())
