"""Find images that are equal byte for byte. They are reported, and dropped on request, so that no copy is scored."""

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pandas as pd

from dino_pipeline.ingestion.listing import SourceFile
from dino_pipeline.ingestion.manifest import ManifestRow, relative_path

# Keep held-out copies and drop train copies, so that evaluation measures the same data set.
_PRECEDENCE = ("test", "val", "train")

COLUMNS = ["sha256", "split", "label", "path", "member"]


class Deduplicated(NamedTuple):
    """Rows that stay, and dropped files with the reason."""

    rows: list[ManifestRow]
    dropped: list[tuple[SourceFile, str]]


def equal_images(rows: Sequence[ManifestRow]) -> list[list[ManifestRow]]:
    """Group rows of equal bytes, two or more a group. The first row of a group is the one to keep."""
    by_content: dict[str, list[ManifestRow]] = defaultdict(list)
    for row in rows:
        by_content[row.facts.sha256].append(row)
    return [
        sorted(group, key=lambda row: (_PRECEDENCE.index(row.split), row.file.path, row.file.member or ""))
        for _, group in sorted((content, group) for content, group in by_content.items() if len(group) > 1)
    ]


def drop_duplicates(
    rows: Sequence[ManifestRow],
    groups: Sequence[Sequence[ManifestRow]],
    which: Literal["none", "across_splits", "all"],
    project_folder: Path,
) -> Deduplicated:
    """Drop copies. Keep those in the most held-out split (`across_splits`), or only one of each group (`all`).

    Args:
        groups: `equal_images` of the rows.
    """
    if which == "none":
        return Deduplicated(list(rows), [])
    dropped = []
    for first, *others in groups:
        place = relative_path(first.file.path, project_folder)
        place += f":{first.file.member}" if first.file.member else ""
        dropped += [
            (row.file, f"duplicate: same bytes as {place} in {first.split}")
            for row in others
            if row.split != first.split or which == "all"
        ]
    gone = {file for file, _ in dropped}
    return Deduplicated([row for row in rows if row.file not in gone], dropped)


def duplicates_table(groups: Sequence[Sequence[ManifestRow]], project_folder: Path) -> pd.DataFrame:
    """List every image that has a copy, with equal images next to each other."""
    lines = [
        (
            row.facts.sha256,
            row.split,
            row.label or "",
            relative_path(row.file.path, project_folder),
            row.file.member or "",
        )
        for group in groups
        for row in group
    ]
    return pd.DataFrame(lines, columns=COLUMNS)


def count_duplicates(groups: Sequence[Sequence[ManifestRow]]) -> dict[str, Any]:
    """Count groups of equal images, and how many groups span splits or labels."""
    return {
        "groups": len(groups),
        "images": sum(map(len, groups)),
        "groups_across_splits": sum(len({row.split for row in group}) > 1 for group in groups),
        "groups_of_several_labels": sum(len({row.label for row in group}) > 1 for group in groups),
    }
