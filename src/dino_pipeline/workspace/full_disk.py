"""Name the disk that is full: the system's error often names neither the file nor the disk."""

import errno
import shutil
import tempfile
from pathlib import Path

_REASONS = {errno.ENOSPC: "full", errno.EDQUOT: "over your quota"}
_ALMOST_NOTHING = 16 * 2**20  # bytes


def in_words(error: Exception, project: Path) -> str:
    """The error's text; for a full disk, which one it is and what to do."""
    if not isinstance(error, OSError) or error.errno not in _REASONS:
        return str(error)
    places = [Path(error.filename).parent] if isinstance(error.filename, str) else []
    places += [project.resolve(), Path(tempfile.gettempdir())]
    full = [place for place in places if place.is_dir() and shutil.disk_usage(place).free < _ALMOST_NOTHING]
    disk = (full or places)[0]
    return f"the disk of {disk} is {_REASONS[error.errno]}: free some of it, then the same command continues"
