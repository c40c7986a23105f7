"""Check that the image files of a manifest are unchanged since ingestion."""

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np

from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.features.sampling import evenly_spaced
from dino_pipeline.dino.progress import with_progress


class FileCheck(NamedTuple):
    """Positions in the manifest of missing and changed images."""

    missing: list[int]
    changed: list[int]  # other size or other bytes
    num_hashed: int


def check_images(manifest: Manifest, *, num_hashed: int | None) -> FileCheck:
    """Compare each file's size with the manifest, and hash some images again.

    Args:
        num_hashed: number of evenly spaced images whose bytes are compared; None: all.
    """
    sizes: dict[str, int | None] = {}
    missing, changed = [], []
    rows = manifest.table.select(["path", "member", "offset", "bytes"]).to_pylist()
    for position, row in enumerate(rows):
        path = row["path"]
        if path not in sizes:
            sizes[path] = _size(manifest.root / path)
        size = sizes[path]
        if size is None:
            missing.append(position)
        elif not _fits(row["member"], row["offset"], row["bytes"], size):
            changed.append(position)
    wrong = {*missing, *changed}
    intact = np.array([position for position in range(len(manifest)) if position not in wrong], dtype=int)
    asked = len(intact) if num_hashed is None else num_hashed
    chosen = intact[evenly_spaced(len(intact), asked)]
    hashes = manifest.sha256
    for position in with_progress(chosen.tolist(), "hash", unit="images"):
        if not _is_intact(manifest, position, hashes[position]):
            changed.append(position)
    return FileCheck(missing, changed, len(chosen))


def _size(path: Path) -> int | None:
    return path.stat().st_size if path.is_file() else None


def _fits(member: str | None, offset: int | None, size: int, file_size: int) -> bool:
    if member is None:
        return file_size == size
    return offset is None or offset + size <= file_size  # a .zip's members are compressed


def _is_intact(manifest: Manifest, position: int, sha256: str) -> bool:
    try:
        content = manifest.read_bytes(position)
    except ValueError:
        return False
    return hashlib.sha256(content).hexdigest() == sha256
