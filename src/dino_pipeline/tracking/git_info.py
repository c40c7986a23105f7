"""Where a run comes from: the commit and whether the files differ from it, DVC's stage, the user."""

import getpass
import logging
import os
from collections.abc import Mapping
from pathlib import Path

from dino_pipeline.tracking.working_tree import git

COMMIT_TAG = "mlflow.source.git.commit"
DIRTY_TAG = "git_dirty"
EXPERIMENT_TAG = "dvc.exp_name"

logger = logging.getLogger(__name__)


def origin_tags(project_path: Path) -> dict[str, str]:
    """The tags of a run made now from the project in this folder."""
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
    """The commit that a run's tags name, and whether files differed from it."""
    return tags.get(COMMIT_TAG, "not in git") + (" with edits" if tags.get(DIRTY_TAG) == "true" else "")


def dvc_tags() -> dict[str, str]:
    """The stage and the experiment of DVC that this process runs in, where it does."""
    variables = ("DVC_STAGE", "DVC_EXP_NAME", "DVC_EXP_BASELINE_REV")
    known = {variable: os.environ.get(variable) for variable in variables}
    return {name.lower().replace("_", ".", 1): value for name, value in known.items() if value}
