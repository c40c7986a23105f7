"""Stopping on request: a signal, or the parent's death, becomes a flag that all processes read at the same step."""

import os
import signal
import threading
import time
from types import FrameType

from dino_pipeline.dino.core.distributed import any_process

STOPPED = 75  # the exit status of a training that saved its progress because it was asked to (EX_TEMPFAIL)
_NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)
_POLL_SECONDS = 0.5


class StopRequest:
    """Set by SIGINT, SIGTERM or SIGUSR1 (a preemption notice), or when the parent process is gone."""

    def __init__(self, grace_seconds: float) -> None:
        self._requested = False
        self._grace_seconds = grace_seconds
        self._parent = os.getppid()
        for number in _NUMBERS:
            signal.signal(number, self._on_signal)
        # The agent may be killed without a chance to pass anything on; nobody else would ever end this process.
        threading.Thread(target=self._watch_parent, daemon=True).start()

    def agreed(self) -> bool:
        """Whether any process was asked to stop: all processes get the same answer, so all stop at the same step."""
        return any_process(self._requested)

    def close(self) -> None:
        """From here on the process only ends: what torchrun sends the rest when the first has ended is ignored.

        While python shuts down it gives its handlers back, and a signal would end the process with another status.
        """
        for number in _NUMBERS:
            signal.signal(number, signal.SIG_IGN)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self._requested = True

    def _watch_parent(self) -> None:
        while os.getppid() == self._parent:
            time.sleep(_POLL_SECONDS)
        self._requested = True
        time.sleep(self._grace_seconds)
        os._exit(STOPPED)  # waiting for a peer that is gone
