"""List image files as a manifest, for benchmarks with a folder of their own."""

import logging
import os
import stat
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from dino_pipeline.dino.core.data.images import Pixels, UnreadableImageError, decode_rgb
from dino_pipeline.dino.core.data.manifest import READ_ERRORS, SCHEMA, Manifest
from dino_pipeline.dino.progress import with_progress

SUFFIXES = (
    ".jpg",
    ".jpeg",
    ".png",
    ".ppm",
    ".bmp",
    ".tif",
    ".tiff",
    ".webp",
    ".gif",
    ".avif",
    ".heic",
    ".jp2",
)

logger = logging.getLogger(__name__)


def images_in(folder: Path) -> Manifest:
    """Every image file directly in a folder, by name. Links that lead nowhere, folders and pipes are no files.

    Raises:
        ValueError: the folder does not exist or contains no image.
    """
    if not folder.is_dir():
        remedy = ": unpack it and give the folder" if folder.is_file() else ""
        raise ValueError(f"{folder} is not a folder{remedy}")
    named = sorted(
        entry.name
        for entry in os.scandir(folder)
        if entry.name.lower().endswith(SUFFIXES) and not entry.name.startswith(".")
    )
    names = [name for name in named if (folder / name).is_file()]
    _say_left_out(folder, [name for name in named if name not in set(names)], "no file")
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


def readable(images: Manifest) -> Manifest:
    """The images that can be decoded. The others are left out, and a warning counts and names them.

    Raises:
        ValueError: none can be decoded.
    """
    problems = unreadable(images)
    if not problems:
        return images
    such = "; ".join(
        f"{images.name(position)} ({problem})" for position, problem in list(problems.items())[:3]
    )
    if len(problems) == len(images):
        raise ValueError(f"{images.root}: none of {len(images):,} images can be read, such as {such}")
    _say_left_out(images.root, [images.name(position) for position in problems], such)
    return images.take(np.array([i for i in range(len(images)) if i not in problems], dtype=np.int64))


def all_readable(images: Manifest) -> Manifest:
    """The images of a benchmark, whose score would be another without one of them.

    Raises:
        ValueError: some cannot be decoded.
    """
    problems = unreadable(images)
    if problems:
        position, problem = next(iter(problems.items()))
        raise ValueError(
            f"{images.root}: {len(problems):,} of {len(images):,} images cannot be read, such as "
            f"{images.name(position)} ({problem}): restore them"
        )
    return images


def unreadable(images: Manifest) -> dict[int, str]:
    """The problem of each image that cannot be decoded, by its position."""
    problems: dict[int, str] = {}
    for position in with_progress(range(len(images)), "check", unit="images"):
        try:
            decode_rgb(images.read_bytes(position))
        except READ_ERRORS as error:
            problems[position] = " ".join(str(error).split())
    return problems


def read_rgb(file: Path) -> Pixels:
    """Read one image of a benchmark.

    Raises:
        ValueError: it cannot be read; the message names the file.
    """
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            raise UnreadableImageError("not an image", "a folder, pipe or device")
        return decode_rgb(file.read_bytes())
    except READ_ERRORS as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise ValueError(f"{file} cannot be read ({reason}): restore it") from error


def _say_left_out(folder: Path, names: Sequence[str], such: str) -> None:
    if names:
        logger.warning("%s: left out %d files: %s (%s)", folder, len(names), ", ".join(names[:3]), such)
