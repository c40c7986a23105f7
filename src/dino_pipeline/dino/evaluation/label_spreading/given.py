"""The given labels, read from a CSV or drawn from train's labels."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.evaluation.labels import stratified_draw
from dino_pipeline.dino.tables.columns import read_table
from dino_pipeline.dino.tables.paths import spellings


class Given(NamedTuple):
    """Ascending manifest positions int64 [given], sorted class names, and one class each, int64 [given]."""

    positions: NDArray[np.int64]
    class_names: list[str]
    labels: NDArray[np.int64]


def image_names(manifest: Manifest) -> list[str]:
    """The names of images in a CSV: the manifest's path, or `path:member` in an archive."""
    paths, members = manifest.table["path"].to_pylist(), manifest.table["member"].to_pylist()
    return [
        path if member is None else f"{path}:{member}" for path, member in zip(paths, members, strict=True)
    ]


def draw_labels(manifest: Manifest, fraction: float, *, seed: int) -> Given:
    """Draw a share of each class of train, in whole groups. Images without a label are left out.

    Raises:
        ValueError: train has no labels, or only one class.
    """
    splits = np.array(manifest.table["split"].to_pylist(), dtype=np.str_)
    classes = manifest.split("train").class_names
    labels = manifest.label_indices(classes)
    candidates = np.flatnonzero((splits == "train") & (labels >= 0))
    if len(candidates) == 0:
        raise ValueError(
            "label_spreading.labels is null, but train has no labels: set label_spreading.labels to a CSV with "
            "the columns path and label"
        )
    if len(classes) == 1:
        raise ValueError(
            f"label_spreading.labels is null, but all labels of train are {classes[0]!r}: set it to a CSV with "
            "the columns path and label, with two classes or more"
        )
    groups = manifest.take(candidates).groups
    positions = candidates[stratified_draw(labels[candidates], fraction, seed=seed, groups=groups)]
    return Given(positions, classes, labels[positions])


def read_labels(file: Path, manifest: Manifest) -> Given:
    """Read labels from a list with the columns path and label, for images of any split.

    A path is as in the manifest, relative to the list's folder, or absolute, in any spelling of `tables.paths`.

    Raises:
        ValueError: the file or a column is missing, an image is not in the manifest or occurs twice, or a label is
            empty; the message names the first such line.
    """
    place = f"label_spreading.labels: {file}"
    if not file.is_file():
        raise ValueError(f"{place} does not exist: give a CSV with the columns path and label, or null")
    try:
        table = read_table(file, ("path", "label"))
    except ValueError as error:
        raise ValueError(f"label_spreading.labels: {error}") from error
    if "label" not in table.columns:
        raise ValueError(f"{place} has no column of labels: write a CSV with the columns path and label")
    position_of = {name: position for position, name in enumerate(image_names(manifest))}
    found: dict[int, tuple[int, str]] = {}  # position: line, label
    for line, name, label in zip(table.lines, table.columns["path"], table.columns["label"], strict=True):
        here = f"{place}, {table.unit} {line}: {name!r}"
        position = next(
            (
                position_of[one]
                for one in _spellings(name or "", manifest.root, file.parent)
                if one in position_of
            ),
            None,
        )
        if position is None:
            raise ValueError(f"{here} is not in the manifest: ingest it or remove the {table.unit}")
        if not label:
            raise ValueError(f"{here} has no label: add one or remove the {table.unit}")
        if position in found:
            first, other = found[position]
            raise ValueError(
                f"{here} is {label!r}, but was {other!r} in {table.unit} {first}: keep one of them"
            )
        found[position] = line, label
    if not found:
        raise ValueError(f"{place} contains no image: add at least one")
    positions = np.array(sorted(found), dtype=np.int64)
    names = [found[position][1] for position in positions.tolist()]
    classes = sorted(set(names))
    index = {name: number for number, name in enumerate(classes)}
    return Given(positions, classes, np.array([index[name] for name in names], dtype=np.int64))


def _spellings(name: str, root: Path, folder: Path) -> Iterator[str]:
    """What the manifest may call the image of a list: as it stands, or below the project or the list's folder."""
    for spelled in spellings(name):
        yield spelled
        for start in (root, folder):
            path = Path(os.path.normpath(start / spelled))
            yield str(path.relative_to(root)) if path.is_relative_to(root) else str(path)
