"""Find the models whose data contain an image."""

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


class NamedImage(NamedTuple):
    """An image, named by its content, by its path, or by both."""

    sha256: str | None
    paths: Sequence[str]  # as manifests may spell it; `archive:member` for the member of an archive


class ImageUse(NamedTuple):
    """A model whose data contain the image."""

    model: Model
    split: str
    path: str  # in those data
    has_same_bytes: bool  # False: those data have another image at this path


class ImageUsage(NamedTuple):
    """The uses of an image, and the data versions whose manifest is lost."""

    found: list[ImageUse]
    unknown_data: list[str]  # digests


def image_usage(
    image: NamedImage, models: Sequence[Model], client: "MlflowClient", project: Path
) -> ImageUsage:
    """Look the image up in the manifest of every data version that a model was trained on."""
    found: list[ImageUse] = []
    unknown = []
    for digest in dict.fromkeys(model.data_digest for model in models if model.data_digest):
        stored = find_manifest(digest, models, client, project)
        if stored is None:
            unknown.append(digest)
            continue
        for row in _rows(stored.manifest.table, image):
            place = row["path"] if row["member"] is None else f"{row['path']}:{row['member']}"
            same = image.sha256 in (None, row["sha256"])
            found += [
                ImageUse(model, row["split"], place, same) for model in models if model.data_digest == digest
            ]
    return ImageUsage(found, unknown)


def _rows(table: pa.Table, image: NamedImage) -> Iterator[dict[str, Any]]:
    names = pc.coalesce(pc.binary_join_element_wise(table["path"], table["member"], ":"), table["path"])
    is_match = pc.is_in(names, pa.array(image.paths, pa.string()))
    if image.sha256:
        is_match = pc.or_(is_match, pc.equal(table["sha256"], image.sha256))
    yield from table.filter(is_match).select(["path", "member", "split", "sha256"]).to_pylist()
