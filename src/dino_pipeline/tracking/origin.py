"""Where a run comes from: the commit and whether the files differ from it, DVC's stage, the user."""

import getpass
import logging
import os
import subprocess
from pathlib import Path

logger = logging.getLogger(__name__)


def origin_tags(project_path: Path) -> dict[str, str]:
    """The tags of a run made now from the project in this folder."""
    tags = {"mlflow.source.name": project_path.name, "mlflow.source.type": "PROJECT"}
    try:
        tags["mlflow.user"] = getpass.getuser()
    except (KeyError, OSError):
        logger.debug("The user has no name here.")
    commit = git(project_path, "rev-parse", "HEAD")
    if commit:
        edits = git(project_path, "status", "--porcelain", "--untracked-files=no")
        tags |= {"mlflow.source.git.commit": commit, "git_dirty": "true" if edits else "false"}
    for variable in ("DVC_STAGE", "DVC_EXP_NAME"):
        if os.environ.get(variable):
            tags[variable.lower().replace("_", ".", 1)] = os.environ[variable]
    return tags


def git(folder: Path, *command: str) -> str:
    """What git answers, "" where it fails."""
    try:
        done = subprocess.run(
            ["git", "-C", str(folder), *command], capture_output=True, text=True, check=True, timeout=30
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
