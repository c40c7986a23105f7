"""Run a module in a process that ends with its parent, from its first instruction on.

    python -m dino_pipeline.dino.launching.bound MODULE ARGUMENTS ...

torchrun's agent and its workers start like this. Importing torch takes them seconds, and a parent that is killed
meanwhile must not leave them behind. Linux sends the signal by itself (prctl(2), PR_SET_PDEATHSIG); elsewhere a thread
watches.
Nothing slow is imported here.
"""

import ctypes
import os
import runpy
import signal
import sys
import tempfile
import threading
import time
from multiprocessing import parent_process, util
from multiprocessing.queues import Queue
from pathlib import Path

from dino_pipeline.dino.launching.pulse import start_pulse

PARENT = "DINO_PIPELINE_PARENT"  # in a child's environment: the process that started it
STOPPED = 75  # exit status of a training that saved its progress after a stop request (EX_TEMPFAIL)
POLL_SECONDS = 0.5
_PR_SET_PDEATHSIG = 1
# A socket's path has at most 103 bytes on macOS and 107 on Linux, and multiprocessing adds up to 36 to TMPDIR.
_LONGEST = 103 - len("/pymp-12345678/listener-12345678_x")
_SHORT = ("/tmp", "/var/tmp", "/dev/shm", "/run/shm")
_IS_LINUX = sys.platform == "linux"

_forking: int | None = None  # this process, while its main thread forks
_ends_children = False


def main() -> None:
    """Bind this process, then run the module that the arguments name as if Python had started it."""
    end_with_parent()
    end_children_with_this_process()
    end_children_that_cannot_send()
    shorten_socket_paths()
    start_pulse()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


def end_with_parent() -> None:
    """From now on, this process gets SIGTERM when its parent has ended. If that has happened already, it ends now."""
    parent = int(os.environ.pop(PARENT, os.getppid()))
    if not _signal_after_parent(signal.SIGTERM):
        threading.Thread(target=_end_after, args=(parent,), daemon=True).start()
    if os.getppid() != parent:
        os._exit(STOPPED)


def end_children_with_this_process() -> None:
    """From now on, Linux kills the processes that this one forks, such as loader workers, when it has ended.

    A loader worker by itself notices the end of its parent only between two batches, and never while a read hangs.
    """
    global _ends_children
    if _IS_LINUX and not _ends_children:
        _ends_children = True
        os.register_at_fork(before=_note_forking, after_in_child=_end_with_forking)


def end_children_that_cannot_send() -> None:
    """From now on, a forked loader worker ends if it cannot hand a batch over, as when shared memory is full.

    By itself it prints the error and goes on, and the loader waits for that batch without end.
    """
    Queue._on_queue_feeder_error = staticmethod(_end_child)  # type: ignore[attr-defined]


def shorten_socket_paths() -> None:
    """If TMPDIR is too long for a socket's path, let multiprocessing keep its sockets in a short folder of its own.

    Loader workers hand their batches over by sockets; with a longer path they fail, and the training waits without end.

    Raises:
        ValueError: no short folder can be written.
    """
    if len(os.fsencode(tempfile.gettempdir())) <= _LONGEST:
        return
    usable = [folder for folder in _SHORT if Path(folder).is_dir() and os.access(folder, os.W_OK | os.X_OK)]
    if not usable:
        raise ValueError(
            f"TMPDIR is {tempfile.gettempdir()}, which is too long for the path of a socket: set TMPDIR to a folder "
            f"of at most {_LONGEST} bytes"
        )
    # multiprocessing has no option for this folder. It makes it once, and forked processes take it over.
    before = tempfile.tempdir
    tempfile.tempdir = usable[0]
    try:
        util.get_temp_dir()
    finally:
        tempfile.tempdir = before


def _end_child(error: Exception, _: object) -> None:
    sys.stderr.write(f"process {os.getpid()} cannot hand over its work: {error}\n")
    if parent_process() is not None:
        sys.stderr.flush()
        os._exit(1)


def _note_forking() -> None:
    # Linux sends the signal when the thread that forked ends; another thread may end long before its process.
    global _forking
    _forking = os.getpid() if threading.current_thread() is threading.main_thread() else None


def _end_with_forking() -> None:
    if _forking is not None:
        _signal_after_parent(signal.SIGKILL)
        if os.getppid() != _forking:
            os._exit(STOPPED)


def _signal_after_parent(number: signal.Signals) -> bool:
    """Whether this process will get the signal; other systems than Linux, and some sandboxes, send none."""
    return _IS_LINUX and ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(number), 0, 0, 0) == 0


def _end_after(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(POLL_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    main()
