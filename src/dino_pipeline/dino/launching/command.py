"""What a command (`kedro run`, `dino-pipeline ...`) does first: so it leaves no process behind, nor waits unsaid."""

import logging
import signal
import tempfile
import threading
import time
from contextlib import suppress
from functools import cache
from pathlib import Path

from dino_pipeline.dino.launching.bound import (
    end_children_that_cannot_send,
    end_children_with_this_process,
    shorten_socket_paths,
)
from dino_pipeline.dino.launching.pulse import write_pulse

STALL_MINUTES = 10.0
_POLL_SECONDS = 1.0
_LOADER_WORKER = "DataLoader worker"  # from torch's messages

logger = logging.getLogger(__name__)


@cache  # once a process
def prepare_command(stall_minutes: float = STALL_MINUTES) -> None:
    """Kill this process's loader workers when it ends, shorten the paths of its sockets, and warn when it stands still.

    A command only warns: a long call into a library looks the same as a server or a drive that does not answer.

    Raises:
        ValueError: TMPDIR is too long, and no short folder can be written.
    """
    end_children_with_this_process()
    end_children_that_cannot_send()
    shorten_socket_paths()
    threading.Thread(target=_watch, args=(stall_minutes,), name="stalls", daemon=True).start()


def _watch(minutes: float) -> None:
    from dino_pipeline.dino.launching.watchdog import Watchdog

    with (
        tempfile.TemporaryDirectory(prefix="dino-pulse-", ignore_cleanup_errors=True) as folder,
        suppress(FileNotFoundError),  # Python removes the folder before a thread ends with it
    ):
        watchdog = Watchdog(Path(folder), num_processes=1, minutes=minutes)
        write_pulse(Path(folder), watchdog.seconds_between_looks)
        while True:
            time.sleep(_POLL_SECONDS)
            if watchdog.is_still():
                logger.warning(
                    "%s. It goes on waiting; Ctrl-C ends it, and the same command continues",
                    watchdog.report_of_command(),
                )
                watchdog.start_again()


def in_case_of_killed_loader(text: str) -> str:
    """The text of an error; torch's of a killed loader worker does not say why the system kills one."""
    if _LOADER_WORKER not in text or "memory" in text:
        return text
    # torch's handler raises again when the signal arrives, even while this error is being printed.
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    return (
        f"a loader worker was killed, probably because memory ran out ({' '.join(text.split())}): lower num_workers or "
        "batch_size of this stage, or use a machine with more memory; in a container, also raise shared memory "
        "(--shm-size)"
    )
