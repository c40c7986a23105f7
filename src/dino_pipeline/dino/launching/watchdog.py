"""Notices that no worker gets on, and says where each of them stands."""

import os
import time
from pathlib import Path
from typing import NamedTuple

import psutil

from dino_pipeline.dino.launching.pulse import DUMP, FOLDER, READS_AN_IMAGE, SECONDS
from dino_pipeline.dino.progress import duration

_LOOKS = 20  # at each worker, within the limit
_MOST_SECONDS = 15.0  # between two looks
_SECONDS_WITHOUT_WORKERS = 120.0  # the least, while torchrun starts and while it ends
_ADVICE = ", which does not arrive: check the drive that it lies on"
_SECONDS_TO_DUMP = 0.1  # so that the stacks of two processes do not mix


class _Pulse(NamedTuple):
    rank: int
    is_loader: bool
    pid: int
    stands: str


class Watchdog:
    """Looks at the pulses of a run's workers (`launching.pulse`).

    A worker that waits for others does not get on, but they may. So the run stands still only if no worker gets on.
    """

    def __init__(self, folder: Path, *, num_processes: int, minutes: float) -> None:
        """Begin to watch.

        Args:
            folder: takes the pulses.
            minutes: a run stands still if no worker gets on for so long.
        """
        self._folder = folder
        self._num_processes = num_processes
        self._minutes = minutes
        self._seen: dict[str, int] = {}
        self._looked_at = time.monotonic()
        self._seconds_still = 0.0

    @property
    def seconds_between_looks(self) -> float:
        """How often a process looks at its main thread."""
        return min(60 * self._minutes / _LOOKS, _MOST_SECONDS)

    @property
    def environment(self) -> dict[str, str]:
        """What makes workers write their pulse."""
        return {FOLDER: str(self._folder), SECONDS: str(self.seconds_between_looks)}

    def is_still(self) -> bool:
        """Whether no worker has got on for the whole limit. Call it about twice a second."""
        now = time.monotonic()
        # At most two seconds a call: the time in which the computer sleeps, or all is stopped, does not count.
        self._seconds_still += min(now - self._looked_at, 2.0)
        self._looked_at = now
        seen = {
            file.name: file.stat().st_mtime_ns for file in self._folder.iterdir() if "-main-" in file.name
        }
        if seen != self._seen:
            self._seen, self._seconds_still = seen, 0.0
        if self._seconds_still <= 60 * self._minutes:
            return False
        return bool(self._pulses()) or self._seconds_still > _SECONDS_WITHOUT_WORKERS

    def start_again(self) -> None:
        """Count from now."""
        self._seconds_still = 0.0

    def report(self) -> str:
        """Where each worker stands, in one line. All their threads' stacks go to their standard error."""
        pulses = self._pulses()
        for pulse in pulses:
            os.kill(pulse.pid, DUMP)
            time.sleep(_SECONDS_TO_DUMP)
        ranks = range(self._num_processes)
        lines = [line for rank in ranks for line in _lines(f"rank {rank}", rank, pulses)]
        return f"no worker got on for {self._limit}: {'; '.join(lines)}"

    def report_of_command(self) -> str:
        """Where this process stands, which is the only one, and what its loader workers do."""
        return f"this command has not got on for {self._limit}: {'; '.join(_lines('it', 0, self._pulses()))}"

    @property
    def _limit(self) -> str:
        return duration(60 * self._minutes)

    def _pulses(self) -> list[_Pulse]:
        found = []
        for file in sorted(self._folder.iterdir()):
            rank, kind, pid = file.name.split("-")
            if psutil.pid_exists(int(pid)):
                found.append(_Pulse(int(rank), kind == "loader", int(pid), file.read_text()))
        return found


def _lines(name: str, rank: int, pulses: list[_Pulse]) -> list[str]:
    """What keeps a rank, called `name`, and its loader workers that read something or are stopped."""
    own = [pulse for pulse in pulses if pulse.rank == rank]
    lines = [
        f"{name} {_state(pulse.pid) or pulse.stands or 'stands outside of this project'}"
        for pulse in own
        if not pulse.is_loader
    ] or [f"{name} has not started, or has ended"]
    for pulse in own:
        stands = _state(pulse.pid) or pulse.stands
        if pulse.is_loader and stands:
            lines.append(f"its loader worker {pulse.pid} {stands}")
    return [line + _ADVICE if READS_AN_IMAGE in line else line for line in lines]


def _state(pid: int) -> str:
    """What the system says of a process that cannot get on by itself."""
    status = psutil.Process(pid).status() if psutil.pid_exists(pid) else psutil.STATUS_DEAD
    if status in (psutil.STATUS_STOPPED, psutil.STATUS_TRACING_STOP):
        return f"is stopped by a signal (`kill -CONT {pid}` lets it go on)"
    if status in (psutil.STATUS_DEAD, psutil.STATUS_ZOMBIE):
        return "has ended"
    return ""
