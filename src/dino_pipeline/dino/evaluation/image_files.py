"""List image files as a manifest, for benchmarks with a folder of their own."""

import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from dino_pipeline.dino.core.data.manifest import SCHEMA, Manifest

SUFFIXES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".tif", ".tiff", ".webp")


def images_in(folder: Path) -> Manifest:
    """Every image file directly in a folder, by name.

    Raises:
        ValueError: the folder does not exist or contains no image.
    """
    if not folder.is_dir():
        raise ValueError(f"{folder} is not a folder")
    names = sorted(entry.name for entry in os.scandir(folder) if entry.name.lower().endswith(SUFFIXES))
    if not names:
        raise ValueError(f"{folder} contains no image ({', '.join(SUFFIXES)})")
    return named_images(folder, names)


def named_images(folder: Path, names: Sequence[str]) -> Manifest:
    """The files with these names in a folder, without labels, in the given order.

    Raises:
        ValueError: a file is missing.
    """
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise ValueError(f"{folder} lacks {len(missing):,} of {len(names):,} images, such as {missing[0]}")
    rows = [{"path": name, "split": "test", "bytes": (folder / name).stat().st_size} for name in names]
    return Manifest(pa.Table.from_pylist(rows, schema=SCHEMA), folder, np.arange(len(names), dtype=np.int64))
