"""Locks. They allow one run at a time where two would write the same files, or make processes wait for their turn."""

import errno
import fcntl
import json
import logging
import os
import shlex
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import IO

import psutil

FOLDER = Path("data") / ".running"  # in a project; one file per recipe
_POLL_SECONDS = 0.5
# NFS without its lock service, Lustre mounted without flock, some FUSE file systems
_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL}

logger = logging.getLogger(__name__)


@contextmanager
def run_lock(
    file: Path, what: str, *, shared: bool = False, while_waiting: Callable[[], None] | None = None
) -> Iterator[None]:
    """Hold a file's lock. The system releases it once this process and its workers have ended, in whatever way.

    Args:
        file: the lock file, which names the holder. It stays, since removing it would race with the next process.
        what: what two processes must not do at once, for the message.
        shared: whether other sharers may hold it at the same time, like the workers of a study.
        while_waiting: called twice a second until the lock is free. None: a lock held by another process is an
            error.

    A file system without locks gives one warning, and the block runs without a lock.

    Raises:
        ValueError: another process holds it and `while_waiting` is None. Names the process, its command and a fix.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+") as opened:
        mode = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        if not _takes(opened, mode):
            holder, advice = _holder(opened)
            if while_waiting is None:
                raise ValueError(f"{what} is already {holder}: {advice}")
            logger.info("%s is already %s: waiting for it to end", what, holder)
            while not _takes(opened, mode):
                while_waiting()
                time.sleep(_POLL_SECONDS)
        os.set_inheritable(opened.fileno(), True)  # workers that outlive a kill still write
        opened.truncate(0)
        json.dump(
            {
                "pid": os.getpid(),
                "since": datetime.now().astimezone().isoformat(" ", "seconds"),
                "command": shlex.join([Path(sys.argv[0]).name, *sys.argv[1:]]),
            },
            opened,
        )
        opened.flush()
        yield


@contextmanager
def waiting_lock(file: Path) -> Iterator[None]:
    """Hold a file's lock, and wait for it while another process holds it."""
    with file.open("w") as opened:
        _takes(opened, fcntl.LOCK_EX, waits=True)
        yield


def _takes(opened: IO[str], mode: int, *, waits: bool = False) -> bool:
    """Whether this process holds the lock now. It does not where the file system has no locks, with a warning."""
    try:
        fcntl.flock(opened, mode if waits else mode | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        _warn_of_missing_locks(error.strerror)
    return True


@cache
def _warn_of_missing_locks(reason: str) -> None:
    logger.warning(
        "the file system of this project has no file locks (%s), so nothing keeps two runs apart: start one at a time",
        reason,
    )


def _holder(opened: IO[str]) -> tuple[str, str]:
    """The process that holds the lock, and what to do about it."""
    opened.seek(0)
    text = opened.read()
    if not text:  # the process holds the lock and writes its text next
        return "running, since a moment ago", "wait for it to end"
    holder = json.loads(text)
    if not psutil.pid_exists(holder["pid"]):  # its workers still save their progress
        return (
            "running in processes that a killed run left behind; they end by themselves",
            "try again in a few seconds",
        )
    return (
        f"running in process {holder['pid']} since {holder['since']} ({holder['command']})",
        f"wait for it to end, or stop it with `kill -INT {holder['pid']}`, which keeps its progress",
    )
