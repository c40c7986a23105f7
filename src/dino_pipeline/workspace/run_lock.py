"""One run at a time where two would write the same files; the second is told of the first."""

import fcntl
import json
import os
import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO

FOLDER = Path("data") / ".running"  # of a project; a file a recipe


@contextmanager
def run_lock(file: Path, what: str, *, shared: bool = False) -> Iterator[None]:
    """Hold a file's lock; the system lets go of it when this process and the workers it started have ended, however.

    Args:
        file: says who holds it. It stays, since taking it away would race with the next process.
        what: what two processes must not do at once, for the message.
        shared: others that share it may hold it at the same time, as several workers of a study do.

    Raises:
        ValueError: another process holds it; names that process, its command and what to do.
    """
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a+") as opened:
        try:
            fcntl.flock(opened, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise ValueError(f"{what} is under way already, {_holder(opened)}") from error
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


def _holder(opened: IO[str]) -> str:
    opened.seek(0)
    text = opened.read()
    if not text:  # it has the lock, and is about to write
        return "begun this moment: wait for it to end"
    holder = json.loads(text)
    if not _lives(holder["pid"]):  # its workers save their progress
        return "by what a killed run left behind, which ends by itself: try again in some seconds"
    return (
        f"by process {holder['pid']} since {holder['since']} ({holder['command']}): wait for it to end, or stop it by "
        f"kill -INT {holder['pid']}; its progress is kept"
    )


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True
