"""Find the manifest of a data version in MLflow, in the project, or in DVC."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from itertools import chain, product
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from dino_pipeline.dino.core.data.manifest import Manifest, read_manifest
from dino_pipeline.model_registry.lineage.models import Model
from dino_pipeline.tracking.runs import ONLY_MANIFEST, artifact, manifest_artifact

if TYPE_CHECKING:
    from mlflow import MlflowClient


class StoredManifest(NamedTuple):
    """A manifest, and the place where it was found."""

    manifest: Manifest
    place: str


def find_manifest(
    digest: str, models: Sequence[Model], client: "MlflowClient", project: Path
) -> StoredManifest | None:
    """The manifest with this digest: from MLflow, from the project's data, or from DVC at a model's commit.

    Args:
        models: all known models; only those with this digest are searched.
    """
    own = [model for model in models if digest in model.data_digests]
    for stored in chain(
        _in_mlflow(digest, own, client, project), _in_the_project(own, project), _in_dvc(own, project)
    ):
        if stored.manifest.digest() == digest:
            return stored
    return None


def read_from_dvc(project: Path, commit: str, path: str) -> bytes | None:
    """The bytes of a file that DVC tracks at a commit, from its cache or its remote.

    Args:
        path: relative to the project.

    Returns:
        None if DVC does not track the file there, or has it neither in its cache nor in its remote.
    """
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "file"
        command = ["get", "--quiet", ".", path, "--rev", commit, "--out", str(target)]
        done = subprocess.run(
            [sys.executable, "-m", "dvc", *command], cwd=project, capture_output=True, check=False
        )
        return target.read_bytes() if done.returncode == 0 and target.is_file() else None


def _in_mlflow(
    digest: str, models: Sequence[Model], client: "MlflowClient", project: Path
) -> Iterator[StoredManifest]:
    runs = [model.run for model in models if model.run]
    for run, name in product(runs, (manifest_artifact(digest), ONLY_MANIFEST)):
        with tempfile.TemporaryDirectory() as folder:
            file = artifact(client, run.run_id, name, Path(folder))
            if file:
                yield StoredManifest(read_manifest(file, project), f"{name} of MLflow run {run.run_id}")


def _in_the_project(models: Sequence[Model], project: Path) -> Iterator[StoredManifest]:
    data = project / "data"
    copies = [data / "06_models" / ".in_progress" / model.fingerprint for model in models]
    for folder in (*copies, *sorted((data / "03_primary").glob("*"))):
        file = folder / "manifest.parquet"
        if file.is_file():
            yield StoredManifest(read_manifest(file, project), str(file.relative_to(project)))


def _in_dvc(models: Sequence[Model], project: Path) -> Iterator[StoredManifest]:
    for model in models:
        commit = model.commit
        path = f"data/03_primary/{model.recipe}/manifest.parquet"
        content = read_from_dvc(project, commit, path) if commit else None
        if commit and content is not None:
            with tempfile.TemporaryDirectory() as folder:
                file = Path(folder) / "manifest.parquet"
                file.write_bytes(content)
                yield StoredManifest(read_manifest(file, project), f"{path} in DVC at commit {commit[:12]}")
