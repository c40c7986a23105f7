"""How the files under git differ from the commit."""

import subprocess
from pathlib import Path

from dino_pipeline.tracking.store import without_passwords

_MAX_CHARACTERS = 1_000_000
# What may hold credentials, even where somebody has put it under git.
_LEFT_OUT = ("**/conf/local/**", "**/credentials*", "**/.env*", "**/.dvc/config.local")


def git(folder: Path, *command: str) -> str:
    """What git says; nothing where there is no git, no repository or no commit."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *command],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=True,
            timeout=30,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout


def uncommitted_diff(project_path: Path) -> str:
    """A patch from the commit to the files as they are, empty where they are the same.

    Files that git does not track are not in it, nor is what may hold credentials; of a huge one only the beginning is.
    """
    left_out = [f":(top,exclude,glob){pattern}" for pattern in _LEFT_OUT]
    plain = ["--no-color", "--no-ext-diff", "--no-textconv"]
    diff = without_passwords(git(project_path, "diff", *plain, "HEAD", "--", ":(top)", *left_out))
    if len(diff) <= _MAX_CHARACTERS:
        return diff
    kept = diff[:_MAX_CHARACTERS].rpartition("\n")[0]
    return f"{kept}\n... cut here: the whole diff has {len(diff):,} characters\n"
