"""Heartbeats of a study's workers. The trial of a dead worker is queued again for another worker.

A requeued trial has the same parameters, hence the same fingerprint, and continues from the last checkpoint.
"""

import logging
import os
import socket
import time
from typing import TYPE_CHECKING

import psutil

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

REQUEUES = "takes_up"  # an attribute in storage: the number of the trial that a new one continues
_WORKER, _SEEN = "worker", "seen_at"

logger = logging.getLogger(__name__)


class Heartbeat:
    """Writes heartbeats of the worker that runs a trial into the trial's attributes."""

    def __init__(self, trial: "optuna.Trial", *, seconds: float) -> None:
        self._trial = trial
        self._seconds = seconds
        trial.set_user_attr(_WORKER, [socket.gethostname(), os.getpid()])
        self._next = 0.0
        self.beat()

    def beat(self) -> None:
        """Write the time, if `seconds` have passed."""
        if time.monotonic() >= self._next:
            self._trial.set_user_attr(_SEEN, time.time())
            self._next = time.monotonic() + self._seconds


def requeue_abandoned(study: "optuna.Study", *, silence_seconds: float) -> None:
    """Fail the running trials whose worker is dead, and queue their parameters again.

    A trial that was queued again once is failed for good, since it may kill its workers.
    """
    from optuna.exceptions import UpdateFinishedTrialError
    from optuna.trial import TrialState

    for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
        if not _is_abandoned(trial, silence_seconds):
            continue
        try:
            study.tell(trial.number, state=TrialState.FAIL)
        except (ValueError, UpdateFinishedTrialError):  # another worker was faster
            continue
        logger.warning("trial %d lost its worker", trial.number)
        if REQUEUES not in trial.user_attrs:
            requeue(study, trial)


def requeue(study: "optuna.Study", trial: "FrozenTrial") -> None:
    """Queue a failed trial's parameters again. The new trial continues from the last checkpoint."""
    params = {**trial.system_attrs.get("fixed_params", {}), **trial.params}
    study.enqueue_trial(params, user_attrs={REQUEUES: trial.number})


def num_counted(study: "optuna.Study") -> int:
    """The number of finished or running trials, without those that another trial continues."""
    from optuna.trial import TrialState

    trials = study.get_trials(deepcopy=False)
    replaced = {trial.user_attrs.get(REQUEUES) for trial in trials}
    return sum(trial.state != TrialState.WAITING and trial.number not in replaced for trial in trials)


def _is_abandoned(trial: "FrozenTrial", silence_seconds: float) -> bool:
    seen: float | None = trial.user_attrs.get(_SEEN)
    if seen is None:  # the trial has just begun, or its worker died at once
        assert trial.datetime_start is not None
        seen = trial.datetime_start.timestamp()
    host, process = trial.user_attrs.get(_WORKER, (None, None))
    if host == socket.gethostname() and not psutil.pid_exists(process):
        return True
    return time.time() - seen > silence_seconds
