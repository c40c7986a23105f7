"""Conditions of a promotion, checked before any measurement: a clean commit, and obtainable code and data."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.model_registry.lineage.manifests import find_manifest
from dino_pipeline.model_registry.lineage.models import Model
from dino_pipeline.model_registry.lineage.provenance_items import code_item, data_item
from dino_pipeline.tracking.git_info import git

if TYPE_CHECKING:
    from mlflow import MlflowClient

_SHOWN = 3  # file names


def current_commit(project: Path) -> str:
    """The commit that is checked out; "" outside of git."""
    return git(project, "rev-parse", "--verify", "HEAD").strip()


def clean_commit(project: Path) -> str:
    """The commit that is checked out, without other changed or untracked files.

    Raises:
        ValueError: there is no commit, or files differ from it.
    """
    commit = current_commit(project)
    if not commit:
        raise ValueError(
            f"{project} is not in a git repository with a commit, which a promotion records: commit the project "
            "first"
        )
    files = _uncommitted_files(project)
    if files:
        names = ", ".join(files[:_SHOWN]) + (", ..." if len(files) > _SHOWN else "")
        raise ValueError(f"the working tree has uncommitted changes: commit or stash {names}, then promote")
    return commit


def obtainable_data(
    challenger: Model,
    models: Sequence[Model],
    client: "MlflowClient",
    project: Path,
    *,
    num_hashed: int | None,
) -> Manifest:
    """The challenger's manifest. All its images are on this machine and unchanged.

    Args:
        num_hashed: number of images to hash again; None: all.

    Raises:
        ValueError: its code or its data cannot be obtained.
    """
    code = code_item(challenger, project)
    if not code.is_obtainable:
        raise ValueError(f"{challenger.title} cannot be trained again, so it is not promoted: {code.text}")
    digest = challenger.data_digest
    stored = find_manifest(digest, models, client, project) if digest else None
    data = data_item(digest, stored, project, commit=challenger.commit, num_hashed=num_hashed)
    if stored is None or not data.are_here:
        raise ValueError(
            f"the data of {challenger.title} is missing here, so it is not promoted: {data.item.text}"
        )
    return stored.manifest


def _uncommitted_files(project: Path) -> list[str]:
    """Files that differ from the commit, and untracked files that git does not ignore: a new recipe is code too."""
    edited = git(project, "diff", "--name-only", "HEAD")
    untracked = git(project, "ls-files", "--others", "--exclude-standard")
    return [*edited.splitlines(), *untracked.splitlines()]
