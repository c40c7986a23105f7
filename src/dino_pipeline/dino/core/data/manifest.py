"""The manifest: a table of images with the location of their bytes, their split and their class."""

import hashlib
import lzma
import os
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from dino_pipeline.dino.core.data.images import UnreadableImageError

if TYPE_CHECKING:
    import pandas as pd

# Errors when reading an image: from manifest, decoder and members (ValueError), the file system, or a damaged archive.
READ_ERRORS = (ValueError, OSError, zipfile.BadZipFile)

SPLITS = ("train", "val", "test")

SCHEMA = pa.schema(
    [
        ("path", pa.string()),  # relative to the project folder if inside it; of a member: its archive
        ("member", pa.string()),  # name inside the archive, else null
        ("offset", pa.int64()),  # of the data inside an uncompressed .tar, else null
        ("split", pa.string()),
        ("label", pa.string()),
        ("width", pa.int32()),  # upright
        ("height", pa.int32()),
        ("bytes", pa.int64()),  # encoded
        ("sha256", pa.string()),  # of the encoded bytes
        ("group", pa.string()),  # images of a group share a split and a bootstrap resample; else null
    ]
)


_CHUNK = 65536  # rows that become Python's strings at a time
_ADDED = ("group",)  # newest columns; manifests without them read as null


@dataclass(frozen=True)
class Manifest:
    """Images of one or more splits. Picklable, and safe to read from in forked loader workers.

    Attributes:
        table: the rows, with the columns of `SCHEMA`.
        root: the project folder, to which paths are relative.
        row_ids: int64 [images], each row's index in the whole manifest file.
        places: int64 [images], each image's place within its split. It addresses the image's random draws, so that
            adding an image to another split changes no place.
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
        """Build a whole manifest from a data frame."""
        columns = [name for name in SCHEMA.names if name in rows or name not in _ADDED]
        schema = pa.schema([SCHEMA.field(name) for name in columns])
        table = _with_added(pa.Table.from_pandas(rows[columns], schema=schema, preserve_index=False))
        _refuse_escapes(table)
        return cls(table.replace_schema_metadata(None), root, np.arange(table.num_rows, dtype=np.int64))

    def __len__(self) -> int:
        return int(self.table.num_rows)

    def __getstate__(self) -> dict[str, Any]:
        """What pickling keeps: its own rows, not all of those that it is a view of."""
        is_view = self.table.nbytes < 0.9 * self.table.get_total_buffer_size()
        return vars(self) | ({"table": self.table.take(np.arange(len(self)))} if is_view else {})

    def split(self, name: str) -> "Manifest":
        """The rows of one split; empty if the split has none.

        Raises:
            ValueError: the name is not the name of a split.
        """
        if name not in SPLITS:
            raise ValueError(f"{name!r} is not a split: use one of {', '.join(SPLITS)}")
        return self.take(np.flatnonzero(np.asarray(pc.equal(self.table["split"], name), dtype=bool)))

    def held_out(self) -> "Manifest":
        """The images least used in training: those of test if there are any, else of val, else of train."""
        candidates = [self.split(name) for name in reversed(SPLITS)]
        return next((images for images in candidates if len(images)), self)

    def take(self, positions: NDArray[np.int64]) -> "Manifest":
        """The images at these positions, in this order. A run of most rows is a view, which copies none."""
        if 2 * len(positions) > len(self) and (np.diff(positions) == 1).all():
            first, end = int(positions[0]), int(positions[-1]) + 1
            rows = self.table.slice(first, end - first)
            return Manifest(rows, self.root, self.row_ids[first:end], self.places[first:end])
        table = self.table.take(pa.array(positions)).combine_chunks()
        return Manifest(table, self.root, self.row_ids[positions], self.places[positions])

    @property
    def labels(self) -> list[str | None]:
        """Class names; None for an image without a label."""
        labels: list[str | None] = self.table["label"].to_pylist()
        return labels

    @property
    def is_labelled(self) -> bool:
        """Whether there are images and every one has a label."""
        return len(self) > 0 and self.table["label"].null_count == 0

    @property
    def class_names(self) -> list[str]:
        """The labels that occur, sorted."""
        return sorted(pc.unique(self.table["label"].drop_null()).to_pylist())

    def label_indices(self, class_names: Sequence[str]) -> NDArray[np.int64]:
        """Labels as positions in `class_names`: int64 [images], -1 if absent or not among them."""
        indices = pc.index_in(self.table["label"], value_set=pa.array(class_names, pa.string()))
        return np.asarray(pc.fill_null(indices, -1), dtype=np.int64)

    @property
    def groups(self) -> list[str | None]:
        """Group names; None for an image without a group. Images of a group share a split and a bootstrap resample."""
        groups: list[str | None] = self.table["group"].to_pylist()
        return groups

    @property
    def sha256(self) -> list[str]:
        """Hashes of the encoded bytes."""
        hashes: list[str] = self.table["sha256"].to_pylist()
        return hashes

    def name(self, position: int) -> str:
        """A readable location of the image at a position."""
        return _name(self.table["path"][position].as_py(), self.table["member"][position].as_py())

    def read_verified(self, position: int) -> bytes:
        """Read the encoded image at a position and check that it is what was ingested, byte for byte.

        Raises:
            ValueError: the file is gone or has changed.
        """
        data = self.read_bytes(position)
        if hashlib.sha256(data).hexdigest() != self.table["sha256"][position].as_py():
            raise ValueError(
                f"{self.name(position)} has changed since ingest, although its size is the same: ingest again"
            )
        return data

    def read_bytes(self, position: int) -> bytes:
        """Read the encoded image at a position and check its size.

        Raises:
            ValueError: the file is gone or its size differs from the ingested one.
        """
        path, member, offset, size = (
            self.table[name][position].as_py() for name in ("path", "member", "offset", "bytes")
        )
        try:
            data = read_image_bytes(str(self.root / path), member, offset, size)
        except (FileNotFoundError, KeyError) as error:
            raise ValueError(
                f"{_name(path, member)} is in the manifest but no longer exists: ingest again"
            ) from error
        if len(data) != size:
            raise ValueError(
                f"{_name(path, member)} has {len(data):,} bytes, but had {size:,} at ingest: ingest again"
            )
        return data

    def training_digest(self, *, with_labels: bool) -> str:
        """Digest of these images in order, without their names: sha256 of hashes, and of labels if requested."""
        digest = hashlib.sha256()
        for rows in self.table.select(["sha256", "label"]).to_batches(max_chunksize=_CHUNK):
            images, labels = (column.to_pylist() for column in rows.columns)
            for image, label in zip(images, labels if with_labels else [None] * len(images), strict=True):
                digest.update(f"{image}\0{'' if label is None else '=' + label}\n".encode())
        return digest.hexdigest()

    def digest(self) -> str:
        """Digest of the data: sha256 over split, label and image hash of each row in order, without paths."""
        digest = hashlib.sha256()
        for rows in self.table.select(["split", "label", "sha256"]).to_batches(max_chunksize=_CHUNK):
            for split, label, image in zip(*(column.to_pylist() for column in rows.columns), strict=True):
                # no file name contains a NUL, and an absent label differs from an empty one
                digest.update(f"{split}\0{'' if label is None else '=' + label}\0{image}\n".encode())
        return digest.hexdigest()


def read_manifest(path: Path, root: Path) -> Manifest:
    """Read a manifest file; `root` is the project folder.

    Raises:
        ValueError: there is no such file, its columns are not a manifest's, or a path climbs out of the project.
    """
    if not path.is_file():
        raise ValueError(f"there is no manifest at {path}: run the ingest pipeline first")
    table = pq.read_table(path)
    if table.column_names not in (SCHEMA.names, SCHEMA.names[: -len(_ADDED)]):
        raise ValueError(
            f"{path} is not a manifest: its columns are {table.column_names}, expected {SCHEMA.names}"
        )
    table = _with_added(table).replace_schema_metadata(None).combine_chunks()
    _refuse_escapes(table)
    return Manifest(table, root, np.arange(table.num_rows, dtype=np.int64))


def write_manifest(manifest: Manifest, path: Path) -> None:
    """Write a whole manifest as Parquet."""
    pq.write_table(manifest.table, path)


def read_image_bytes(path: str, member: str | None, offset: int | None, size: int) -> bytes:
    """Read the encoded bytes of a file, of a .tar member (by offset) or of a .zip member (by name).

    Each process keeps archives open, because opening an archive takes longer than reading a small image.

    Raises:
        UnreadableImageError: the member is damaged, encrypted, or compressed by an unknown method.
        KeyError: the archive has no such member.
    """
    if member is None:
        return Path(path).read_bytes()
    if offset is not None:
        return os.pread(_open_tar(path, os.getpid()).fileno(), size, offset)
    archive = _open_zip(path, os.getpid())
    try:
        return archive.read(member)
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError) as error:
        raise UnreadableImageError("corrupt", f"{error} (in the archive)") from error
    except RuntimeError as error:  # NotImplementedError too
        raise UnreadableImageError("cannot be read", str(error)) from error
    except OSError as error:
        if error.errno is None:  # of bz2; the file system's errors have a number
            raise UnreadableImageError("corrupt", f"{error} (in the archive)") from error
        raise


# One entry per process, because a forked worker must not share a file position with its parent.
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
    # Ingest writes a path outside the project as an absolute path, never with `..`.
    climbs = pc.match_substring_regex(table["path"], r"(^|/)\.\.(/|$)")
    if pc.any(climbs).as_py():
        (path, *_) = table.filter(climbs)["path"].to_pylist()
        raise ValueError(
            f"the manifest contains {path}, which points outside the project folder: ingest again"
        )


def _name(path: str, member: str | None) -> str:
    return path if member is None else f"{path}:{member}"
