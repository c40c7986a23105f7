"""Let workers inherit the launcher's inheritable files.

An example is the lock of a run, which then holds until the last worker has ended.
"""

from subprocess import Popen
from typing import Any

from torch.distributed.elastic.multiprocessing.subprocess_handler.subprocess_handler import SubprocessHandler


def use() -> None:
    """Patch torchrun to start workers with inheritable files open. It has no option for this."""
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
