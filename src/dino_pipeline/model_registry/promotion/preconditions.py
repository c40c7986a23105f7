"""What stands against a promotion before anything is measured."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.model_registry.lineage.code import code_of, commit_of, present_commit, uncommitted
from dino_pipeline.model_registry.lineage.manifests import find_manifest
from dino_pipeline.model_registry.lineage.models import Model
from dino_pipeline.model_registry.lineage.provenance_items import data_of

if TYPE_CHECKING:
    from mlflow import MlflowClient

_SHOWN = 3  # file names


def clean_commit(project: Path) -> str:
    """The commit that is checked out.

    Raises:
        ValueError: there is none, or files differ from it.
    """
    commit = present_commit(project)
    if not commit:
        raise ValueError(
            f"{project} is in no git repository with a commit, and a promotion is recorded with one"
        )
    files = uncommitted(project)
    if files:
        names = ", ".join(files[:_SHOWN]) + (", ..." if len(files) > _SHOWN else "")
        raise ValueError(f"the working tree is dirty: commit or stash {names}, then promote")
    return commit


def obtainable_data(
    challenger: Model,
    models: Sequence[Model],
    client: "MlflowClient",
    project: Path,
    *,
    num_hashed: int | None,
) -> Manifest:
    """The challenger's manifest, whose images all lie here unchanged.

    Args:
        num_hashed: images that are hashed again; None: all.

    Raises:
        ValueError: its code or data can no longer be had.
    """
    code = code_of(challenger, project)
    if not code.is_obtainable:
        raise ValueError(f"{challenger.title} cannot be made again, so it is not promoted: {code.text}")
    digest = challenger.data_digest
    kept = find_manifest(digest, models, client, project) if digest else None
    data = data_of(digest, kept, project, commit=commit_of(challenger), num_hashed=num_hashed)
    if kept is None or not data.are_here:
        raise ValueError(
            f"the data of {challenger.title} are not here, so it is not promoted: {data.part.text}"
        )
    return kept.manifest
