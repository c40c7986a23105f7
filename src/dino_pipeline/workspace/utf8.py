"""Python's UTF-8 mode, without which names outside the locale's alphabet can be neither written nor shown."""

import locale
import os
import sys
from pathlib import Path


def use_utf8() -> None:
    """Start this command again in UTF-8 mode if the locale has another encoding, as with `LC_ALL=C PYTHONUTF8=0`.

    The processes that the command starts inherit the mode. It is Python's only one from version 3.15 on
    (https://peps.python.org/pep-0686). A program that imports this package keeps its own.
    """
    is_utf8 = sys.flags.utf8_mode or locale.getencoding().lower().replace("-", "") == "utf8"
    script = Path(sys.argv[0])
    if is_utf8 or not {"kedro", "dino-pipeline", "dino_pipeline"} & {script.stem, script.parent.name}:
        return
    os.environ["PYTHONUTF8"] = "1"
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
