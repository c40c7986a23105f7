"""Which trials are being made, and what becomes of those whose worker is gone: another worker takes them up.

A trial that is taken up has the same parameters, hence the same fingerprint, and goes on from the last checkpoint.
"""

import logging
import os
import socket
import time
from typing import TYPE_CHECKING

from dino_pipeline.dino.partial import is_running

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

TAKES_UP = "takes_up"  # the number of the trial that a new one continues
_WORKER, _SEEN = "worker", "seen_at"

logger = logging.getLogger(__name__)


class Heartbeat:
    """Signs of life of the worker that makes a trial, in the trial's attributes."""

    def __init__(self, trial: "optuna.Trial", *, seconds: float) -> None:
        self._trial = trial
        self._seconds = seconds
        trial.set_user_attr(_WORKER, [socket.gethostname(), os.getpid()])
        self._next = 0.0
        self.beat()

    def beat(self) -> None:
        """Give a sign, if one is due."""
        if time.monotonic() >= self._next:
            self._trial.set_user_attr(_SEEN, time.time())
            self._next = time.monotonic() + self._seconds


def take_up_abandoned(study: "optuna.Study", *, silence_seconds: float) -> None:
    """Fail the running trials whose worker is gone, and queue their parameters.

    A trial that has been taken up once is failed for good: it may be what kills its workers.
    """
    from optuna.exceptions import UpdateFinishedTrialError
    from optuna.trial import TrialState

    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if not _is_abandoned(trial, silence_seconds):
            continue
        try:
            study.tell(trial.number, state=TrialState.FAIL)
        except (ValueError, UpdateFinishedTrialError):  # another worker was quicker
            continue
        logger.warning("trial %d has lost its worker", trial.number)
        if TAKES_UP not in trial.user_attrs:
            queue_again(study, trial)


def queue_again(study: "optuna.Study", trial: "FrozenTrial") -> None:
    """Have a failed trial made again, from its last checkpoint."""
    params = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
    study.enqueue_trial(params, user_attrs={TAKES_UP: trial.number})


def num_counted(study: "optuna.Study") -> int:
    """The trials that are over or being made, without those that another one takes up."""
    from optuna.trial import TrialState

    trials = study.get_trials(deepcopy=False)
    replaced = {trial.user_attrs.get(TAKES_UP) for trial in trials}
    return sum(trial.state != TrialState.WAITING and trial.number not in replaced for trial in trials)


def _is_abandoned(trial: "FrozenTrial", silence_seconds: float) -> bool:
    seen: float | None = trial.user_attrs.get(_SEEN)
    if seen is None:  # it has just been asked for, or its worker died then
        assert trial.datetime_start is not None
        seen = trial.datetime_start.timestamp()
    host, process = trial.user_attrs.get(_WORKER, (None, None))
    if host == socket.gethostname() and not is_running(process):
        return True
    return time.time() - seen > silence_seconds
