"""Stop on request: a signal or the parent's death sets a flag that all processes read at the same step."""

import os
import signal
import threading
import time
from types import FrameType

from dino_pipeline.dino.launching.bound import POLL_SECONDS, STOPPED

NUMBERS = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)  # requests to stop


class StopRequest:
    """A flag that is set by SIGINT, SIGTERM or SIGUSR1 (a preemption notice), or when the parent process is gone."""

    def __init__(self, grace_seconds: float) -> None:
        self._requested = False
        self._grace_seconds = grace_seconds
        self._parent = os.getppid()
        for number in NUMBERS:
            signal.signal(number, self._on_signal)
        # A killed agent cannot forward anything, and then nothing else would end this process.
        threading.Thread(target=self._watch_parent, daemon=True).start()

    def agreed(self) -> bool:
        """Whether any process has a stop request. All processes get the same result and stop at the same step."""
        # Only workers ask; torchrun's agent starts a quarter faster without torch's distributed tensors.
        from dino_pipeline.dino.core.distributed import any_process

        return any_process(self._requested)

    def close(self) -> None:
        """Ignore further signals before this process ends: torchrun signals the rest after the first has ended.

        During its shutdown Python restores its own handlers, and a signal would then change the exit status.
        """
        for number in NUMBERS:
            signal.signal(number, signal.SIG_IGN)

    def _on_signal(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self._requested = True

    def _watch_parent(self) -> None:
        while os.getppid() == self._parent:
            time.sleep(POLL_SECONDS)
        self._requested = True
        time.sleep(self._grace_seconds)
        os._exit(STOPPED)  # it still waits for a process that is gone
