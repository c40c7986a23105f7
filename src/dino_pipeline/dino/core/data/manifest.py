"""The manifest: a table of images, where their bytes lie, which split and class they belong to."""

import hashlib
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

# Errors of reading an image: what manifest and decoder say (both ValueError), the file system, a damaged archive.
READ_ERRORS = (ValueError, OSError, zipfile.BadZipFile)

SPLITS = ("train", "val", "test")

SCHEMA = pa.schema(
    [
        ("path", pa.string()),  # relative to the project folder where inside it; of a member: the archive's
        ("member", pa.string()),  # name inside the archive, else null
        ("offset", pa.int64()),  # of the data inside an uncompressed .tar, else null
        ("split", pa.string()),
        ("label", pa.string()),
        ("width", pa.int32()),  # upright
        ("height", pa.int32()),
        ("bytes", pa.int64()),  # encoded
        ("sha256", pa.string()),  # of the encoded bytes
        ("group", pa.string()),  # of images that stand in one split and in one resample, else null
    ]
)


_ADDED = ("group",)  # the last columns, which manifests written before they were there read as null


@dataclass(frozen=True)
class Manifest:
    """Images of one or more splits; picklable, and safe to read from in forked loader workers.

    Attributes:
        table: the rows, columns as `SCHEMA`.
        root: the project folder, which relative paths hang on.
        row_ids: int64 [images], each row's index in the whole manifest file.
        places: int64 [images], each image's place among those of its split, which addresses what is drawn for it: an
            image that joins another split shifts no place.
    """

    table: pa.Table
    root: Path
    row_ids: NDArray[np.int64]
    places: NDArray[np.int64] = None  # type: ignore[assignment]  # filled in for a whole manifest

    def __post_init__(self) -> None:
        if self.places is None:
            places = np.empty(len(self), dtype=np.int64)
            for split in SPLITS:
                own = np.flatnonzero(np.asarray(pc.equal(self.table["split"], split), dtype=bool))
                places[own] = np.arange(len(own))
            object.__setattr__(self, "places", places)

    @classmethod
    def from_pandas(cls, rows: "pd.DataFrame", root: Path) -> "Manifest":
        """A whole manifest that is in memory as a data frame."""
        columns = [name for name in SCHEMA.names if name in rows or name not in _ADDED]
        schema = pa.schema([SCHEMA.field(name) for name in columns])
        table = _with_added(pa.Table.from_pandas(rows[columns], schema=schema, preserve_index=False))
        _refuse_escapes(table)
        return cls(table.replace_schema_metadata(None), root, np.arange(table.num_rows, dtype=np.int64))

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def split(self, name: str) -> "Manifest":
        """The rows of one split, none where it has none.

        Raises:
            ValueError: there is no split of this name in any manifest.
        """
        if name not in SPLITS:
            raise ValueError(f"{name!r} is no split: one of {', '.join(SPLITS)}")
        return self.take(np.flatnonzero(np.asarray(pc.equal(self.table["split"], name), dtype=bool)))

    def held_out(self) -> "Manifest":
        """The images furthest from training: those of test, else of val, else of train."""
        candidates = [self.split(name) for name in reversed(SPLITS)]
        return next((images for images in candidates if len(images)), self)

    def take(self, positions: NDArray[np.int64]) -> "Manifest":
        """The images at these positions, in their order."""
        table = self.table.take(pa.array(positions)).combine_chunks()
        return Manifest(table, self.root, self.row_ids[positions], self.places[positions])

    @property
    def labels(self) -> list[str | None]:
        """Class names, None where an image has none."""
        labels: list[str | None] = self.table["label"].to_pylist()
        return labels

    @property
    def is_labelled(self) -> bool:
        """Whether there are images and every one has a label."""
        return len(self) > 0 and self.table["label"].null_count == 0

    @property
    def class_names(self) -> list[str]:
        """The labels that occur, sorted."""
        return sorted({label for label in self.labels if label is not None})

    def label_indices(self, class_names: Sequence[str]) -> NDArray[np.int64]:
        """Labels as positions in `class_names`: int64 [images], -1 where absent or not among them."""
        index = {name: position for position, name in enumerate(class_names)}
        return np.array(
            [-1 if label is None else index.get(label, -1) for label in self.labels], dtype=np.int64
        )

    @property
    def groups(self) -> list[str | None]:
        """Names of groups, whose images stand in one split and in one resample; None where an image has none."""
        groups: list[str | None] = self.table["group"].to_pylist()
        return groups

    @property
    def sha256(self) -> list[str]:
        """Hashes of the encoded bytes."""
        hashes: list[str] = self.table["sha256"].to_pylist()
        return hashes

    def name(self, position: int) -> str:
        """Where the image at a position lies, for people."""
        return _name(self.table["path"][position].as_py(), self.table["member"][position].as_py())

    def read_verified(self, position: int) -> bytes:
        """The encoded image at a position of this manifest, byte for byte what was ingested.

        Raises:
            ValueError: the file is gone or has changed.
        """
        data = self.read_bytes(position)
        if hashlib.sha256(data).hexdigest() != self.table["sha256"][position].as_py():
            raise ValueError(
                f"{self.name(position)} has changed since it was ingested, at the same size: ingest again"
            )
        return data

    def read_bytes(self, position: int) -> bytes:
        """The encoded image at a position of this manifest.

        Raises:
            ValueError: the file is gone or no longer the size that was ingested.
        """
        path, member, offset, size = (
            self.table[name][position].as_py() for name in ("path", "member", "offset", "bytes")
        )
        try:
            data = read_image_bytes(str(self.root / path), member, offset, size)
        except (FileNotFoundError, KeyError) as error:
            raise ValueError(
                f"{_name(path, member)} is in the manifest and no longer there: ingest again"
            ) from error
        if len(data) != size:
            raise ValueError(
                f"{_name(path, member)} has {len(data):,} bytes, {size:,} when it was ingested: ingest again"
            )
        return data

    def training_digest(self, *, with_labels: bool) -> str:
        """Identity of these images in their order, whatever their names: sha256 of hashes, and labels if asked for."""
        labels = self.labels if with_labels else [None] * len(self)
        digest = hashlib.sha256()
        for image, label in zip(self.sha256, labels, strict=True):
            digest.update(f"{image}\0{'' if label is None else '=' + label}\n".encode())
        return digest.hexdigest()

    def digest(self) -> str:
        """The data's identity: sha256 over split, label and image hash of each row in order, no paths."""
        digest = hashlib.sha256()
        for split, label, image in zip(
            self.table["split"].to_pylist(), self.labels, self.sha256, strict=True
        ):
            # no file name holds a NUL, and an absent label differs from an empty one
            digest.update(f"{split}\0{'' if label is None else '=' + label}\0{image}\n".encode())
        return digest.hexdigest()


def read_manifest(path: Path, root: Path) -> Manifest:
    """Read a manifest file; `root` is the project folder.

    Raises:
        ValueError: no file there, its columns are not those of a manifest, or a path climbs out of the project.
    """
    if not path.is_file():
        raise ValueError(f"no manifest at {path}: run the ingest pipeline first")
    table = pq.read_table(path)
    if table.column_names not in (SCHEMA.names, SCHEMA.names[: -len(_ADDED)]):
        raise ValueError(
            f"{path} is no manifest: its columns are {table.column_names}, expected {SCHEMA.names}"
        )
    table = _with_added(table).replace_schema_metadata(None).combine_chunks()
    _refuse_escapes(table)
    return Manifest(table, root, np.arange(table.num_rows, dtype=np.int64))


def write_manifest(manifest: Manifest, path: Path) -> None:
    """Write a whole manifest as Parquet."""
    pq.write_table(manifest.table, path)


def read_image_bytes(path: str, member: str | None, offset: int | None, size: int) -> bytes:
    """Encoded bytes of a file, of a .tar member (by offset) or of a .zip member (by name).

    Archives stay open in each process, since opening one anew costs more than reading a small image.
    """
    if member is None:
        return Path(path).read_bytes()
    if offset is not None:
        return os.pread(_open_tar(path, os.getpid()).fileno(), size, offset)
    return _open_zip(path, os.getpid()).read(member)


# Keyed by process: a forked worker must not share a file position with its parent.
@lru_cache(maxsize=8)
def _open_tar(path: str, _process: int) -> BinaryIO:
    return Path(path).open("rb")


@lru_cache(maxsize=8)
def _open_zip(path: str, _process: int) -> zipfile.ZipFile:
    return zipfile.ZipFile(path)


def _with_added(table: pa.Table) -> pa.Table:
    for name in _ADDED:
        if name not in table.column_names:
            table = table.append_column(SCHEMA.field(name), pa.nulls(table.num_rows, SCHEMA.field(name).type))
    return table.cast(SCHEMA)


def _refuse_escapes(table: pa.Table) -> None:
    # Ingest writes what lies outside the project as an absolute path, for all to see, and never climbs.
    climbs = pc.match_substring_regex(table["path"], r"(^|/)\.\.(/|$)")
    if pc.any(climbs).as_py():
        (path, *_) = table.filter(climbs)["path"].to_pylist()
        raise ValueError(f"the manifest names {path}, which climbs out of the project folder: ingest again")


def _name(path: str, member: str | None) -> str:
    return path if member is None else f"{path}:{member}"
