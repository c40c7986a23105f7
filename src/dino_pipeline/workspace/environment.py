"""The process's environment, completed where a shell or a container leaves out what Python and MLflow need."""

import getpass
import locale
import os
import sys
from pathlib import Path


def complete_environment() -> None:
    """Complete the environment of a command and of what it starts. A program that imports this package keeps its own.

    - UTF-8 mode in place of a locale's other encoding, as with `LC_ALL=C PYTHONUTF8=0`: the command starts again in it.
      It is Python's only mode from version 3.15 on (https://peps.python.org/pep-0686).
    - A home and a user's name, where a container runs under a number that has neither.
    """
    script = Path(sys.argv[0])
    if not {"kedro", "dino-pipeline", "dino_pipeline"} & {script.stem, script.parent.name}:
        return
    if os.path.expanduser("~") == "~":  # noqa: PTH111  Path.expanduser raises
        os.environ["HOME"] = "/nonexistent"
    try:
        getpass.getuser()
    except (KeyError, OSError):
        os.environ["LOGNAME"] = f"user-{os.getuid()}"
    if not sys.flags.utf8_mode and locale.getencoding().lower().replace("-", "") != "utf8":
        os.environ["PYTHONUTF8"] = "1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])
