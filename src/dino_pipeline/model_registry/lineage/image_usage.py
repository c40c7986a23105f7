"""From an image to the models that saw it."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from dino_pipeline.model_registry.lineage.manifests import find_manifest
from dino_pipeline.model_registry.lineage.models import Model

if TYPE_CHECKING:
    from mlflow import MlflowClient

USED_AS = {"train": "trained on it", "val": "chosen by it", "test": "measured on it"}


class Image(NamedTuple):
    """An image as a person names it: by what it holds, by where it lies, or both."""

    sha256: str | None
    paths: Sequence[str]  # as manifests may spell it; of an archive's member `archive:member`


class Sighting(NamedTuple):
    """A model whose data hold the image."""

    model: Model
    split: str
    path: str  # where it lay
    has_same_bytes: bool  # False: something else lay at this path then


class Sightings(NamedTuple):
    """Who saw an image, and which data nobody can look into any more."""

    found: list[Sighting]
    unknown_data: list[str]  # digests


def sightings(image: Image, models: Sequence[Model], client: "MlflowClient", project: Path) -> Sightings:
    """Look the image up in the manifest of every data version that a model was trained on."""
    found: list[Sighting] = []
    unknown = []
    for digest in dict.fromkeys(model.data_digest for model in models if model.data_digest):
        kept = find_manifest(digest, models, client, project)
        if kept is None:
            unknown.append(digest)
            continue
        for row in _rows(kept.manifest.table, image):
            place = row["path"] if row["member"] is None else f"{row['path']}:{row['member']}"
            same = image.sha256 in (None, row["sha256"])
            found += [
                Sighting(model, row["split"], place, same) for model in models if model.data_digest == digest
            ]
    return Sightings(found, unknown)


def _rows(table: pa.Table, image: Image) -> Iterator[dict[str, Any]]:
    names = pc.coalesce(pc.binary_join_element_wise(table["path"], table["member"], ":"), table["path"])
    is_it = pc.is_in(names, pa.array(image.paths, pa.string()))
    if image.sha256:
        is_it = pc.or_(is_it, pc.equal(table["sha256"], image.sha256))
    yield from table.filter(is_it).select(["path", "member", "split", "sha256"]).to_pylist()
