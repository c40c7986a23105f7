"""List a folder of images. Links are followed; hidden files and folders are skipped."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from dino_pipeline.ingestion.listing import Listing, SourceFile, is_hidden, make_listing


def list_folder(root: Path) -> Listing:
    """List every file below `root`, whatever its suffix."""
    files: list[SourceFile] = []
    folders: list[str] = []
    for name, entry in _walk(root, "", (_identity(root.stat()),)):
        if entry is None:
            folders.append(name)
        else:
            files.append(entry)
    return make_listing(files, folders)


def _walk(
    folder: Path, prefix: str, ancestors: tuple[tuple[int, int], ...]
) -> Iterator[tuple[str, SourceFile | None]]:
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    for entry in found:
        if is_hidden(entry.name):
            continue
        name = prefix + entry.name
        try:
            status = entry.stat()
        except OSError as error:
            yield name, SourceFile(name, entry.path, None, None, 0, 0, f"cannot be read: {error.strerror}")
            continue
        if not stat.S_ISDIR(status.st_mode):
            # opening a pipe or a socket would block for ever
            problem = None if stat.S_ISREG(status.st_mode) else "not an image: a pipe, socket or device"
            yield name, SourceFile(name, entry.path, None, None, status.st_size, status.st_mtime_ns, problem)
        elif _identity(status) not in ancestors:  # else the link leads back up, without end
            yield name, None
            try:
                yield from _walk(Path(entry.path), f"{name}/", (*ancestors, _identity(status)))
            except PermissionError as error:
                yield (
                    name,
                    SourceFile(name, entry.path, None, None, 0, 0, f"cannot be read: {error.strerror}"),
                )


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
