"""The manifest of a data version, from wherever it is still kept."""

import tempfile
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from dino_pipeline.dino.core.data.manifest import Manifest, read_manifest
from dino_pipeline.model_registry.lineage.code import commit_of
from dino_pipeline.model_registry.lineage.from_dvc import from_dvc
from dino_pipeline.model_registry.lineage.models import Model
from dino_pipeline.tracking.runs import MANIFEST, artifact

if TYPE_CHECKING:
    from mlflow import MlflowClient


class Kept(NamedTuple):
    """A manifest, and where it was found."""

    manifest: Manifest
    place: str


def find_manifest(digest: str, models: Sequence[Model], client: "MlflowClient", project: Path) -> Kept | None:
    """The manifest of this digest: in MLflow, in the project's data, or in DVC at a model's commit.

    Args:
        digest: of the data.
        models: all that are known; those of other data are passed over.
    """
    own = [model for model in models if model.data_digest == digest]
    for kept in chain(_in_mlflow(own, client, project), _in_the_project(own, project), _in_dvc(own, project)):
        if kept.manifest.digest() == digest:
            return kept
    return None


def _in_mlflow(models: Sequence[Model], client: "MlflowClient", project: Path) -> Iterator[Kept]:
    for run in (model.run for model in models if model.run):
        with tempfile.TemporaryDirectory() as folder:
            file = artifact(client, run.run_id, MANIFEST, Path(folder))
            if file:
                yield Kept(read_manifest(file, project), f"{MANIFEST} of MLflow run {run.run_id}")


def _in_the_project(models: Sequence[Model], project: Path) -> Iterator[Kept]:
    data = project / "data"
    copies = [data / "06_models" / ".in_progress" / model.fingerprint for model in models]
    for folder in (*copies, *sorted((data / "03_primary").glob("*"))):
        file = folder / "manifest.parquet"
        if file.is_file():
            yield Kept(read_manifest(file, project), str(file.relative_to(project)))


def _in_dvc(models: Sequence[Model], project: Path) -> Iterator[Kept]:
    for model in models:
        commit = commit_of(model)
        path = f"data/03_primary/{model.recipe}/manifest.parquet"
        content = from_dvc(project, commit, path) if commit else None
        if commit and content is not None:
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "manifest.parquet"
                file.write_bytes(content)
                yield Kept(read_manifest(file, project), f"{path} in DVC at commit {commit[:12]}")
