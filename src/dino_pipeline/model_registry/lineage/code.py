"""The code that made a model, and whether it can still be had."""

from pathlib import Path

from dino_pipeline.model_registry.lineage.models import Model
from dino_pipeline.model_registry.lineage.part import Part
from dino_pipeline.tracking.git_info import git

_COMMIT_TAG = "mlflow.source.git.commit"


def present_commit(project: Path) -> str:
    """The commit that is checked out, "" outside of git."""
    return git(project, "rev-parse", "--verify", "HEAD").strip()


def uncommitted(project: Path) -> list[str]:
    """Files that differ from the commit, and those that git neither tracks nor ignores: a new recipe is code, too."""
    edited = git(project, "diff", "--name-only", "HEAD")
    untracked = git(project, "ls-files", "--others", "--exclude-standard")
    return [*edited.splitlines(), *untracked.splitlines()]


def commit_of(model: Model) -> str | None:
    """The commit that a model was trained from, where one is recorded."""
    return model.run.tags.get(_COMMIT_TAG) if model.run else None


def code_of(model: Model, project: Path) -> Part:
    """The commit as a part of a lineage."""
    commit = commit_of(model)
    if model.run is None or commit is None:
        return Part("no commit was recorded", is_obtainable=False)
    if git(project, "cat-file", "-t", commit).strip() != "commit":
        return Part(
            f"commit {commit[:12]} is not in this repository; git fetch may bring it", is_obtainable=False
        )
    if model.run.tags.get("git_dirty") == "true":
        return Part(f"commit {commit[:12]} with edits that are in no commit", is_obtainable=False)
    return Part(f"commit {commit[:12]}, in this repository", is_obtainable=True)
