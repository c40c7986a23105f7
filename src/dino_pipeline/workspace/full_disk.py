"""Name the disk that is full: the system's error often names neither the file nor the disk."""

import errno
import shutil
import tempfile
from pathlib import Path

_REASONS = {errno.ENOSPC: "full", errno.EDQUOT: "over your quota"}
_ALMOST_NOTHING = 16 * 2**20  # bytes


def in_words(error: Exception, project: Path) -> str:
    """The error's text; for a full disk, also below an error of Kedro's, which one it is and what to do."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno in _REASONS:
            full = f"{_disk(cause, project)} is {_REASONS[cause.errno]}"
            return f"{full}: free some of it, then the same command continues"
        cause = cause.__cause__
    return str(error)


def _disk(error: OSError, project: Path) -> str:
    if isinstance(error.filename, str):
        return f"the disk of {Path(error.filename).parent}"
    places = [project.resolve(), Path(tempfile.gettempdir())]
    full = [place for place in places if shutil.disk_usage(place).free < _ALMOST_NOTHING]
    return f"the disk of {full[0]}" if full else "a disk"
