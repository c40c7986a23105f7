"""Leave out the images that a cleaning list marks. The list works by content, so it stays valid when files move."""

import logging
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from dino_pipeline.dino.core.data.manifest import SPLITS
from dino_pipeline.dino.tables.reading import plain, read_cells
from dino_pipeline.ingestion.listing import SourceFile
from dino_pipeline.ingestion.manifest import ManifestRow, relative_path

COLUMNS = ("sha256", "path", "member", "keep")

logger = logging.getLogger(__name__)

_KEEP = {"true": True, "false": False}
_Place = tuple[str, str]  # path and member as in the manifest, "" where there is none
_Key = str | tuple[str, _Place]


class Exclusions(NamedTuple):
    """Hashes of the images to leave out, each with the place of an equal file that the list keeps."""

    name: str  # path of the list
    unwanted: set[_Key]


class Excluded(NamedTuple):
    """Rows that stay, dropped files with the reason, and how many images of the list the sources lack."""

    rows: list[ManifestRow]
    dropped: list[tuple[SourceFile, str]]
    num_not_found: int


def read_exclusions(name: str, project_folder: Path) -> Exclusions:
    """Read the list `ingest.exclude`. This happens before any image is read.

    Args:
        name: path of the list, relative to the project folder or absolute.

    Raises:
        ValueError: the file does not exist, is no cleaning list, or is the file that data_quality overwrites.
    """
    return Exclusions(name, _unwanted(_find(name, project_folder)))


def exclude(rows: Sequence[ManifestRow], exclusions: Exclusions, project_folder: Path) -> Excluded:
    """Remove the images whose lines in the list have `keep` false.

    The bytes decide (`sha256`), not the path. Where the list keeps one of several files of equal bytes, path and
    member decide between them.

    Raises:
        ValueError: a split would lose all its images.
    """
    name, unwanted = exclusions
    stay: list[ManifestRow] = []
    dropped: list[ManifestRow] = []
    found: set[_Key] = set()
    for row in rows:
        hits = unwanted & _keys(row, project_folder)
        found |= hits
        (dropped if hits else stay).append(row)
    _check_splits(rows, stay, name)
    num_not_found = len(unwanted - found)
    logger.info("ingest.exclude leaves out %s images (%s)", f"{len(dropped):,}", name)
    if num_not_found:
        logger.warning(
            "%d images listed in %s are not among the sources: check that the list belongs to these images",
            num_not_found,
            name,
        )
    reason = f"excluded: listed in {name} (ingest.exclude)"
    return Excluded(stay, [(row.file, reason) for row in dropped], num_not_found)


def _find(name: str, project_folder: Path) -> Path:
    file = project_folder / Path(name).expanduser()
    if not file.is_file():
        raise ValueError(
            f"ingest.exclude: {file} does not exist. A relative path starts at {project_folder}; null excludes "
            "nothing."
        )
    reports = project_folder / "data" / "08_reporting"
    if reports.resolve() in file.resolve().parents:
        # The next list covers only the images that remain. It would bring back the images that this list leaves out.
        raise ValueError(
            f"ingest.exclude: the next run of data_quality replaces {name}. Copy it to another folder, such as "
            "the recipe's in conf, and give the copy."
        )
    return file


def _unwanted(file: Path) -> set[_Key]:
    try:
        cells = read_cells(file, COLUMNS)
    except ValueError as error:
        raise ValueError(f"ingest.exclude: {error}") from error
    position_of = {plain(name): position for position, name in reversed(list(enumerate(cells.names)))}
    missing = [column for column in COLUMNS if column not in position_of]
    if missing:
        raise ValueError(
            f"ingest.exclude: {file} has no column {', '.join(missing)}, only {', '.join(cells.names)}: give a "
            "list in the format that data_quality writes."
        )
    rows = zip(cells.lines, *(cells.column(position_of[column]) for column in COLUMNS), strict=True)
    # An image may occur twice, as a near-duplicate and as an outlier: one "false" is enough.
    kept: dict[str, dict[_Place, bool]] = defaultdict(dict)
    for line, content, path, member, keep in rows:
        here = f"ingest.exclude: {file}, {cells.unit} {line}"
        if content is None:
            raise ValueError(f"{here} has no sha256: write the image's hash, or remove the {cells.unit}.")
        if (keep or "").lower() not in _KEEP:
            raise ValueError(f"{here}: keep is {keep or ''!r}: write true or false.")
        place = (path or "", member or "")
        kept[content][place] = kept[content].get(place, True) and _KEEP[(keep or "").lower()]
    unwanted: set[_Key] = set()
    for content, places in kept.items():
        gone = {place for place, is_kept in places.items() if not is_kept}
        unwanted |= {content} if len(gone) == len(places) else {(content, place) for place in gone}
    return unwanted


def _keys(row: ManifestRow, project_folder: Path) -> set[_Key]:
    place = (relative_path(row.file.path, project_folder), row.file.member or "")
    return {row.facts.sha256, (row.facts.sha256, place)}


def _check_splits(rows: Sequence[ManifestRow], stay: Sequence[ManifestRow], name: str) -> None:
    before, after = (Counter(row.split for row in part) for part in (rows, stay))
    for split in SPLITS:
        if before[split] and not after[split]:
            raise ValueError(
                f"ingest.exclude: {name} excludes all {before[split]:,} images of {split}: set keep to true for "
                "some of them."
            )
