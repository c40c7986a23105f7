"""A killed loader worker is explained, wherever torch's handler of SIGCHLD interrupts."""

import inspect
import os
import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import Any

import pytest

from dino_pipeline.dino.core.data import loader

LINES, FIRST = inspect.getsourcelines(loader.worker_deaths_explained)


@pytest.fixture
def restored() -> Iterator[None]:
    handler, trace = signal.getsignal(signal.SIGCHLD), sys.gettrace()
    yield
    signal.signal(signal.SIGCHLD, handler)
    sys.settrace(trace)


def _killed(_number: int, _frame: FrameType | None) -> None:
    raise RuntimeError("DataLoader worker (pid 1) is killed by signal: Killed.")


@pytest.mark.usefixtures("restored")
@pytest.mark.parametrize(
    "line", [n for n, text in enumerate(LINES) if "except" in text or "signal.signal" in text]
)
def test_the_explanation_survives_a_signal_at_any_line(line: int) -> None:
    reached = []

    def at_the_line(frame: FrameType, event: str, _: Any) -> Any:
        here = frame.f_code.co_filename == loader.__file__ and frame.f_lineno == FIRST + line
        if here and event == "line" and not reached:
            reached.append(line)
            os.kill(os.getpid(), signal.SIGCHLD)
        return at_the_line

    signal.signal(signal.SIGCHLD, _killed)
    sys.settrace(at_the_line)
    remedy = r"a loader worker was killed.*lower launch\.loader_workers \(now 2"
    with pytest.raises(MemoryError, match=remedy), loader.worker_deaths_explained(2, 8):
        raise ConnectionResetError("the connection broke")
    sys.settrace(None)
    assert reached


def test_other_errors_stay_as_they_are() -> None:
    with pytest.raises(RuntimeError, match=r"^shapes$"), loader.worker_deaths_explained(2, 8):
        raise RuntimeError("shapes")
