"""The progress of long work: a bar on a terminal; in a log file, plain lines after 10 s and then every 30 s."""

import logging
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from tqdm import tqdm

FIRST_SECONDS = 10.0  # shorter work prints no line
EVERY_SECONDS = 30.0

T = TypeVar("T")

logger = logging.getLogger(__name__)

_beats = 0


def beat() -> None:
    """Say that work gets on, for the watchdog, where a loop passes the same lines again and again."""
    global _beats
    _beats += 1


def beats() -> int:
    """How often this process has said so."""
    return _beats


class Progress:
    """Shows how far a loop is. Use it as a context manager.

    The standard error stream decides: a tqdm bar if it is a terminal, log lines otherwise, and lines on that stream
    where no logging is configured. A line appears in `update`, `move_to` or `refresh`, when one is due. Of several
    workers under torchrun, only rank 0 shows anything.
    """

    def __init__(
        self,
        title: str,
        *,
        total: int,
        unit: str,
        first_seconds: float = FIRST_SECONDS,
        every_seconds: float = EVERY_SECONDS,
        leave: bool | None = False,
        delay: float = 0.0,
        logs_above: bool = False,
    ) -> None:
        """Start to count.

        Args:
            unit: in the plural, such as images.
            first_seconds: from now to the first line.
            every_seconds: from a line to the next.
            leave: whether the bar stays on the terminal; None: unless it is below another.
            delay: seconds until the bar appears.
            logs_above: whether log messages appear above the bar instead of in it.
        """
        self.title, self.total, self.unit = title, total, unit
        self.count = 0
        self._values: Mapping[str, str] = {}
        self._every = every_seconds
        self._line_due = time.monotonic() + first_seconds
        self._start: tuple[float, int] | None = (
            None  # time and count of the first update: start-up is no progress
        )
        self._is_shown = os.environ.get("RANK", "0") == "0"
        self._bar: tqdm[Any] | None = None
        self._redirected: AbstractContextManager[None] | None = None
        if self._is_shown and sys.stderr.isatty():
            from tqdm import std
            from tqdm.contrib.logging import logging_redirect_tqdm

            self._bar = std.tqdm(
                total=total, desc=title, unit=f" {unit}", leave=leave, delay=delay, dynamic_ncols=True
            )
            if logs_above:
                self._redirected = logging_redirect_tqdm()

    def __enter__(self) -> Self:
        if self._redirected:
            self._redirected.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._redirected:
            self._redirected.__exit__(kind, error, traceback)
        if self._bar is not None:
            self._bar.close()

    def update(self, count: int = 1) -> None:
        """Count so much more work as done."""
        self.move_to(self.count + count)

    def move_to(self, count: int, *, total: int | None = None) -> None:
        """Set how much work is done. A smaller number than before has no effect on the bar.

        Args:
            total: of the whole work, where it has changed.
        """
        beat()
        self.total = self.total if total is None else total
        self.count = count
        if self._start is None and count:
            self._start = time.monotonic(), count
        if self._bar is not None:
            self._bar.total = self.total
            self._bar.update(max(0, count - self._bar.n))
        self.refresh()

    def describe(self, title: str) -> None:
        """Change the title."""
        self.title = title
        if self._bar is not None:
            self._bar.set_description(title)

    def show(self, values: Mapping[str, str]) -> None:
        """Show values by name behind the count."""
        self._values = values
        if self._bar is not None:
            self._bar.set_postfix(values, refresh=False)

    def refresh(self) -> None:
        """Print a line if one is due. Call it where work may take long without an update."""
        now = time.monotonic()
        if self._bar is not None or not self._is_shown or now < self._line_due:
            return
        self._line_due = now + self._every
        if logger.hasHandlers():
            logger.info("%s", self._line(now))
        else:
            sys.stderr.write(f"{self._line(now)}\n")
            sys.stderr.flush()

    def _line(self, now: float) -> str:
        start, before = self._start or (now, self.count)
        rate = (self.count - before) / (now - start) if now > start else 0.0
        parts = [f"{self.count:,} of {self.total:,} {self.unit}"]
        parts += [f"{name} {value}" for name, value in self._values.items()]
        if rate:
            parts += [] if self._values else [f"{rate:.3g} {self.unit}/s"]
            parts.append(f"{duration(max(0, self.total - self.count) / rate)} left")
        return f"{self.title}: {', '.join(parts)}"


def with_progress(items: Sequence[T], title: str, *, unit: str) -> Iterator[T]:
    """Yield the items, and show how many are done."""
    with Progress(title, total=len(items), unit=unit) as progress:
        for item in items:
            yield item
            progress.update()


def duration(seconds: float) -> str:
    """A time in words of two units at most, such as 45 s, 12 min, 3 h 20 min or 2 d 4 h."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 48:
        return f"{hours} h {minutes} min"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h"
