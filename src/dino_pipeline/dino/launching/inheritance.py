"""Workers inherit what their launcher lets them: the lock of its run, which then holds as long as one of them lives."""

from subprocess import Popen
from typing import Any

from torch.distributed.elastic.multiprocessing.subprocess_handler.subprocess_handler import SubprocessHandler


def use() -> None:
    """Have torchrun start workers with the files that were made inheritable; it offers no other way."""
    setattr(SubprocessHandler, "_popen", _start)  # noqa: B010


def _start(self: SubprocessHandler, arguments: tuple[str, ...], environment: dict[str, str]) -> "Popen[Any]":
    return Popen(
        arguments,
        env=environment,
        stdout=self._stdout,
        stderr=self._stderr,
        start_new_session=True,
        close_fds=False,
    )
