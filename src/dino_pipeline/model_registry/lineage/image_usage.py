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

USED_AS = {"train": "used for training", "val": "used for validation", "test": "used for the test"}


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
    """Look the image up in the manifest of every data version that a model was trained or measured on."""
    # of the image, by data version; None: its manifest is lost
    rows: dict[str, list[dict[str, Any]] | None] = {}
    for digest in dict.fromkeys(digest for model in models for digest in model.data_digests):
        stored = find_manifest(digest, models, client, project)
        rows[digest] = None if stored is None else list(_rows(stored.manifest.table, image))
    found: list[ImageUse] = []
    for model in models:
        # newer data of the model say so already, perhaps at another path
        known: set[tuple[str, bool]] = set()
        for digest in model.data_digests:
            uses = [_use(model, row, image) for row in rows[digest] or ()]
            new = [use for use in uses if (use.split, use.has_same_bytes) not in known]
            known |= {(use.split, use.has_same_bytes) for use in new}
            found += new
    return ImageUsage(found, [digest for digest, lost in rows.items() if lost is None])


def _use(model: Model, row: dict[str, Any], image: NamedImage) -> ImageUse:
    place = row["path"] if row["member"] is None else f"{row['path']}:{row['member']}"
    return ImageUse(model, row["split"], place, has_same_bytes=image.sha256 in (None, row["sha256"]))


def _rows(table: pa.Table, image: NamedImage) -> Iterator[dict[str, Any]]:
    names = pc.coalesce(pc.binary_join_element_wise(table["path"], table["member"], ":"), table["path"])
    is_match = pc.is_in(names, pa.array(image.paths, pa.string()))
    if image.sha256:
        is_match = pc.or_(is_match, pc.equal(table["sha256"], image.sha256))
    yield from table.filter(is_match).select(["path", "member", "split", "sha256"]).to_pylist()
