"""Record where a run comes from: the commit, uncommitted edits, DVC's stage and experiment, and the user."""

import getpass
import logging
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from dino_pipeline.tracking.store import without_passwords

COMMIT_TAG = "mlflow.source.git.commit"
DIRTY_TAG = "git_dirty"
EXPERIMENT_TAG = "dvc.exp_name"
_MAX_CHARACTERS = 1_000_000
# Files that may hold credentials, even if they are under git.
_LEFT_OUT = ("**/conf/local/**", "**/credentials*", "**/.env*", "**/.dvc/config.local")

logger = logging.getLogger(__name__)


def origin_tags(project_path: Path) -> dict[str, str]:
    """Tags for a new run of the project in this folder."""
    tags = {"mlflow.source.name": project_path.name, "mlflow.source.type": "PROJECT"}
    try:
        tags["mlflow.user"] = getpass.getuser()
    except (KeyError, OSError):
        logger.debug("The user has no name here.")
    commit = git(project_path, "rev-parse", "HEAD").strip()
    if commit:
        edits = git(project_path, "status", "--porcelain", "--untracked-files=no")
        tags |= {COMMIT_TAG: commit, DIRTY_TAG: "true" if edits else "false"}
    return tags | dvc_tags()


def commit_in_words(tags: Mapping[str, str]) -> str:
    """Describe the commit in a run's tags, and whether files differed from it."""
    return tags.get(COMMIT_TAG, "not in git") + (" with edits" if tags.get(DIRTY_TAG) == "true" else "")


def dvc_tags() -> dict[str, str]:
    """The DVC stage and experiment of this process, if there are any."""
    variables = ("DVC_STAGE", "DVC_EXP_NAME", "DVC_EXP_BASELINE_REV")
    known = {variable: os.environ.get(variable) for variable in variables}
    return {name.lower().replace("_", ".", 1): value for name, value in known.items() if value}


def git(folder: Path, *command: str) -> str:
    """The output of a git command; empty where git, the repository or the commit is missing."""
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
    """A patch from the commit to the present files; empty where they are equal.

    The patch leaves out untracked files and files that may hold credentials. A huge patch is cut.
    """
    left_out = [f":(top,exclude,glob){pattern}" for pattern in _LEFT_OUT]
    plain = ["--no-color", "--no-ext-diff", "--no-textconv"]
    diff = without_passwords(git(project_path, "diff", *plain, "HEAD", "--", ":(top)", *left_out))
    if len(diff) <= _MAX_CHARACTERS:
        return diff
    kept = diff[:_MAX_CHARACTERS].rpartition("\n")[0]
    return f"{kept}\n... cut here: the whole diff has {len(diff):,} characters\n"
