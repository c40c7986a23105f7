"""The given labels, read from a CSV or drawn from train's labels."""

import csv
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.evaluation.labels import stratified_draw

_COLUMNS = ["path", "label"]


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
    """Read labels from a CSV with the columns path and label, for images of any split.

    A path is as in the manifest, or absolute.

    Raises:
        ValueError: the file or a column is missing, an image is not in the manifest or occurs twice, or a label is
            empty; the message names the first such line.
    """
    place = f"label_spreading.labels: {file}"
    if not file.is_file():
        raise ValueError(f"{place} does not exist: give a CSV with the columns path and label, or null")
    position_of = {name: position for position, name in enumerate(image_names(manifest))}
    found: dict[int, tuple[int, str]] = {}  # position: line, label
    with file.open(newline="", encoding="utf-8-sig") as stream:
        reader = csv.DictReader(stream)
        if not set(_COLUMNS) <= set(reader.fieldnames or []):
            raise ValueError(f"{place} has the columns {reader.fieldnames}, but needs path and label")
        for row in reader:
            name, label, line = row["path"] or "", row["label"] or "", reader.line_num
            position = position_of.get(name, position_of.get(_inside(name, manifest.root), -1))
            if position < 0:
                raise ValueError(
                    f"{place}, line {line}: {name!r} is not in the manifest: ingest it or remove the line"
                )
            if not label:
                raise ValueError(f"{place}, line {line}: {name!r} has no label: add one or remove the line")
            if position in found:
                first, other = found[position]
                raise ValueError(
                    f"{place}, line {line}: {name!r} is {label!r}, but was {other!r} in line {first}: keep one of "
                    "them"
                )
            found[position] = line, label
    if not found:
        raise ValueError(f"{place} contains no image: add at least one")
    positions = np.array(sorted(found), dtype=np.int64)
    names = [found[position][1] for position in positions.tolist()]
    classes = sorted(set(names))
    index = {name: number for number, name in enumerate(classes)}
    return Given(positions, classes, np.array([index[name] for name in names], dtype=np.int64))


def _inside(name: str, root: Path) -> str:
    """Convert an absolute path to the manifest's form: relative if inside the project."""
    return str(Path(name).relative_to(root)) if Path(name).is_relative_to(root) else name
