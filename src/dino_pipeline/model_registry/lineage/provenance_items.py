"""The code, the data and the parameters that made a model, and whether each can still be obtained."""

import hashlib
import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from dino_pipeline.dino.core.data.manifest import SPLITS, Manifest
from dino_pipeline.model_registry.lineage.image_files import FileCheck, check_images
from dino_pipeline.model_registry.lineage.manifests import StoredManifest, read_from_dvc
from dino_pipeline.model_registry.lineage.models import Model
from dino_pipeline.tracking.git_info import DIRTY_TAG, git
from dino_pipeline.tracking.run import flatten
from dino_pipeline.tracking.runs import artifact

if TYPE_CHECKING:
    from mlflow import MlflowClient

CONFIGURATION = "configuration.json"  # as pretrain logs it, with every value resolved
_SHOWN = 3  # file names


class ProvenanceItem(NamedTuple):
    """A part of a model's provenance, in words, and whether it can still be obtained."""

    text: str
    is_obtainable: bool


class DataItem(NamedTuple):
    """The data of a model, and whether every image is on this machine now."""

    item: ProvenanceItem
    are_here: bool


def code_item(model: Model, project: Path) -> ProvenanceItem:
    """The commit of a model's training."""
    commit = model.commit
    if model.run is None or commit is None:
        return ProvenanceItem(
            "no commit was recorded, because the project was not in git with a commit when it was trained",
            is_obtainable=False,
        )
    if git(project, "cat-file", "-t", commit).strip() != "commit":
        return ProvenanceItem(
            f"commit {commit[:12]} is not in this repository; try git fetch", is_obtainable=False
        )
    if model.run.tags.get(DIRTY_TAG) == "true":
        return ProvenanceItem(f"commit {commit[:12]} with uncommitted edits", is_obtainable=False)
    return ProvenanceItem(f"commit {commit[:12]}, in this repository", is_obtainable=True)


def data_item(
    digest: str | None,
    stored: StoredManifest | None,
    project: Path,
    *,
    commit: str | None,
    num_hashed: int | None,
) -> DataItem:
    """The state of a data version: first its manifest, then its images.

    Args:
        digest: digest of the data, as the model records it.
        stored: its manifest, if one was found.
        commit: the commit whose DVC files are searched for missing images.
        num_hashed: see `check_images`.
    """
    if digest is None:
        return DataItem(
            ProvenanceItem("trained elsewhere, on data that no run here recorded", is_obtainable=False), False
        )
    if stored is None:
        text = f"digest {digest[:12]}: no manifest was found, neither in MLflow nor in data/ nor in DVC"
        return DataItem(ProvenanceItem(text, is_obtainable=False), False)
    manifest = stored.manifest
    counts = ", ".join(f"{split} {len(manifest.split(split)):,}" for split in SPLITS)
    known = f"digest {digest[:12]}: {len(manifest):,} images ({counts}), {stored.place}; "
    files = check_images(manifest, num_hashed=num_hashed)
    if not files.missing and not files.changed:
        text = f"{known}all files are here ({files.num_hashed:,} hashed again)"
        return DataItem(ProvenanceItem(text, is_obtainable=True), True)
    in_dvc = commit is not None and not files.changed and _dvc_has(manifest, files, project, commit)
    lost = _described(manifest, files)
    text = known + (f"{lost}; DVC has them, run dvc pull" if in_dvc else lost)
    return DataItem(ProvenanceItem(text, is_obtainable=in_dvc), False)


def parameters_item(model: Model, client: "MlflowClient") -> ProvenanceItem:
    """The resolved parameters among the artifacts of the model's run."""
    if model.run is None:
        return ProvenanceItem("no run recorded them", is_obtainable=False)
    with tempfile.TemporaryDirectory() as folder:
        file = artifact(client, model.run.run_id, CONFIGURATION, Path(folder))
        if file is None:
            return ProvenanceItem(
                f"MLflow run {model.run.run_id} has no {CONFIGURATION}", is_obtainable=False
            )
        count = len(flatten(json.loads(file.read_text())))
    return ProvenanceItem(
        f"{count} values, {CONFIGURATION} of MLflow run {model.run.run_id}", is_obtainable=True
    )


def _dvc_has(manifest: Manifest, files: FileCheck, project: Path, commit: str) -> bool:
    """Whether DVC has the first and the last missing file, each with the bytes that the manifest records."""
    for position in {files.missing[0], files.missing[-1]}:
        row = manifest.table.slice(position, 1).to_pylist()[0]
        content = None if Path(row["path"]).is_absolute() else read_from_dvc(project, commit, row["path"])
        if content is None:
            return False
        if row["member"] is None and hashlib.sha256(content).hexdigest() != row["sha256"]:
            return False
    return True


def _described(manifest: Manifest, files: FileCheck) -> str:
    paths = manifest.table["path"].to_pylist()
    sentences = []
    for word, positions in (("missing", files.missing), ("changed", files.changed)):
        if positions:
            names = ", ".join(dict.fromkeys(paths[position] for position in positions[:_SHOWN]))
            more = ", ..." if len(positions) > _SHOWN else ""
            sentences.append(f"{len(positions):,} images are {word}: {names}{more}")
    return "; ".join(sentences)
