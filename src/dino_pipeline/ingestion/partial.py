"""Names for what is being written, so that a kill leaves nothing that looks whole and nothing for ever."""

import os
import shutil
from pathlib import Path


def partial_path(target: Path) -> Path:
    """A free hidden name beside `target`, to be renamed to it; remains of processes that died are removed."""
    prefix = f".{target.name}.partial-"
    for left in target.parent.glob(f"{prefix}*"):
        if not _is_running(int(left.name.removeprefix(prefix))):
            shutil.rmtree(left) if left.is_dir() else left.unlink()
    return target.with_name(f"{prefix}{os.getpid()}")


def _is_running(process: int) -> bool:
    if process == os.getpid():
        return False  # ours is a name to use again
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True
