"""Write usable images as the manifest, and refused files as the quarantine table."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pyarrow as pa

from dino_pipeline.dino.core.data.manifest import SCHEMA, SPLITS
from dino_pipeline.ingestion.inspection import Facts
from dino_pipeline.ingestion.listing import SourceFile


class ManifestRow(NamedTuple):
    """A usable image: its file, the facts of its bytes, and its place."""

    file: SourceFile
    facts: Facts
    split: str
    label: str | None
    group: str | None = None  # the images of a group share a split
    is_given: bool = False  # whether the source itself gives the split


def manifest_table(rows: Sequence[ManifestRow], project_folder: Path) -> pa.Table:
    """The manifest: the columns of `SCHEMA`, ordered by split, path and member."""
    ordered = sorted(rows, key=lambda row: (SPLITS.index(row.split), row.file.path, row.file.member or ""))
    columns = {
        "path": [relative_path(row.file.path, project_folder) for row in ordered],
        "member": [row.file.member for row in ordered],
        "offset": [row.file.offset for row in ordered],
        "split": [row.split for row in ordered],
        "label": [row.label for row in ordered],
        "width": [row.facts.width for row in ordered],
        "height": [row.facts.height for row in ordered],
        "bytes": [row.file.size for row in ordered],
        "sha256": [row.facts.sha256 for row in ordered],
        "group": [row.group for row in ordered],
    }
    return pa.table(columns, schema=SCHEMA)


def quarantine_table(refused: Sequence[tuple[SourceFile, str]], project_folder: Path) -> pd.DataFrame:
    """Path, member and reason of each refused file."""
    return pd.DataFrame(
        [(relative_path(file.path, project_folder), file.member or "", reason) for file, reason in refused],
        columns=["path", "member", "reason"],
    )


def relative_path(path: str, project_folder: Path) -> str:
    """The path as the manifest spells it: relative to the project folder where it is inside, else unchanged."""
    return path.removeprefix(f"{project_folder}/")
