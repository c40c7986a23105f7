"""Atomic writes of files: after a crash there is no partial file under the final name, and leftovers get removed."""

import glob
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil


@contextmanager
def written_whole(target: Path) -> Iterator[Path]:
    """Yield a temporary name to write a file under. On exit, flush the file to disk and rename it to `target`.

    After a crash at any moment, or on a full disk, `target` is the old file or the new one, never a partial one. If the
    block raises, the temporary file is removed.
    """
    partial = partial_path(target)
    try:
        yield partial
        with partial.open("rb") as file:
            os.fsync(file.fileno())
        partial.replace(target)
    except BaseException as error:
        partial.unlink(missing_ok=True)  # it may be what fills the disk
        if isinstance(error, OSError) and error.filename is None:  # as for a write to a full disk
            error.filename = str(target)
        raise
    _sync_folder(target.parent)


def partial_path(target: Path) -> Path:
    """A free hidden name beside `target`, for a later rename to it. This removes leftovers of processes that ended."""
    remove_leftovers(target.parent, target.name)
    return partial_name(target)


def partial_name(target: Path) -> Path:
    """The name that `partial_path` gives, without a search for leftovers, which reads the whole folder."""
    # The suffix stays the target's, because it decides the format of a picture.
    return target.with_name(f".partial-{os.getpid()}-{target.name}")


def remove_leftovers(folder: Path, name: str | None = None) -> None:
    """Remove what processes that ended left unfinished in a folder: of the target with this name, or of all."""
    for left in folder.glob(f".partial-*-{'*' if name is None else glob.escape(name)}"):
        process = int(left.name.split("-")[1])
        if process == os.getpid() or not psutil.pid_exists(process):  # our own leftover is free to reuse
            shutil.rmtree(left) if left.is_dir() else left.unlink(missing_ok=True)


def _sync_folder(folder: Path) -> None:
    # The rename itself is safe on disk only after the folder is flushed.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
