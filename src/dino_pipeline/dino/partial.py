"""Names for what is being written, so that a kill leaves nothing that looks whole and nothing for ever."""

import glob
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil


@contextmanager
def written_whole(target: Path) -> Iterator[Path]:
    """A name to write a file under; on leaving it is safe on disk and bears the target's name, or it is gone.

    A kill at any moment leaves the old file or the new one, never half of one; so does a full disk.
    """
    partial = partial_path(target)
    try:
        yield partial
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(target)
    except BaseException:
        partial.unlink(missing_ok=True)  # it may be what fills the disk
        raise
    _sync_folder(target.parent)


def partial_path(target: Path) -> Path:
    """A free hidden name beside `target`, to be renamed to it; remains of processes that died are removed."""
    for left in target.parent.glob(f".partial-*-{glob.escape(target.name)}"):
        process = int(left.name.split("-")[1])
        if process == os.getpid() or not psutil.pid_exists(process):  # ours is a name to use again
            shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)
    # The ending stays the target's: of a picture it decides the format.
    return target.with_name(f".partial-{os.getpid()}-{target.name}")


def _sync_folder(folder: Path) -> None:
    # The rename itself is only safe on disk once the folder is.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
