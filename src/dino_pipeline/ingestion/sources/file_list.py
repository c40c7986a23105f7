"""List the files that a .csv, .tsv, .txt, .jsonl or .parquet names, with labels, splits and groups from its columns."""

import logging
from pathlib import Path
from stat import S_ISREG
from typing import NamedTuple

from dino_pipeline.dino.tables.columns import ROLES, ListTable, read_table
from dino_pipeline.dino.tables.paths import foreign, spellings
from dino_pipeline.ingestion.config import IngestConfig
from dino_pipeline.ingestion.layout import Place
from dino_pipeline.ingestion.listing import Listing, SourceFile, identities, make_listing
from dino_pipeline.ingestion.split_names import described, read_split_names

logger = logging.getLogger(__name__)


def list_table(file: Path, config: IngestConfig) -> Listing:
    """The files in the column of paths, relative to the list's folder. A missing file has a `problem`.

    Label, split and group are optional; an empty label or group means none. A file that several lines name, in
    whatever spelling, is one image.

    Raises:
        ValueError: the file is no readable table, its columns are in doubt, it names an unknown split, it contradicts
            itself about a file, a path is of another machine, or none of the files exists.
    """
    table = read_table(file, ROLES, config.columns, parameter="ingest.columns")
    paths, labels, groups = (table.columns.get(role) for role in ("path", "label", "group"))
    splits = _splits(table, config)
    identity = identities()
    first: dict[tuple[str, str], tuple[int, SourceFile, _Facts]] = {}  # by identity
    for record, path in enumerate(paths or ()):
        assert path is not None  # read_table
        found = _found(path, file.parent, table, record)
        facts = _Facts(
            splits[record] if splits else None,
            labels[record] if labels else None,
            groups[record] if groups else None,
        )
        earlier, _, before = first.setdefault(identity(found.path), (record, found, facts))
        if before != facts:
            _refuse_contradiction(table, (earlier, before), (record, facts), path)
    files = [found for _, found, _ in first.values()]
    if files and all(found.problem for found in files):
        raise ValueError(
            f"{file}: none of its {len(files):,} files can be read; {table.unit} {table.lines[0]} names "
            f"{files[0].path} ({(files[0].problem or '').partition(':')[0]}). A relative path starts at the list's "
            f"folder, {file.parent}"
        )
    if num_repeats := len(table.lines) - len(files):
        logger.info("%s names %d files more than once; each of them counts once", file, num_repeats)
    places = {
        found.name: Place(facts.split or "train", facts.label, tuple(found.name.split("/")[:-1]), facts.group)
        for _, found, facts in first.values()
    }
    return Listing(make_listing(files, ()).files, set(), places, has_splits=splits is not None)


class _Facts(NamedTuple):
    split: str | None
    label: str | None
    group: str | None


def _refuse_contradiction(
    table: ListTable, earlier: tuple[int, _Facts], later: tuple[int, _Facts], path: str
) -> None:
    for name in _Facts._fields:
        was, now = (getattr(facts, name) for _, facts in (earlier, later))
        if was != now:
            said = "none" if now is None else repr(now)
            raise ValueError(
                f"{table.place(later[0])}: the {name} of {path} is {said}, but it is "
                f"{'none' if was is None else repr(was)} in {table.unit} {table.lines[earlier[0]]}: write one "
                f"{table.unit} for each image"
            )


def _splits(table: ListTable, config: IngestConfig) -> list[str] | None:
    """The split of each record; None without such a column.

    Raises:
        ValueError: a record has no split, or one that is unknown.
    """
    cells = table.columns.get("split")
    if cells is None:
        return None
    names = read_split_names({cell for cell in cells if cell}, config.splits)
    splits = []
    for record, cell in enumerate(cells):
        if cell is None or cell not in names.splits:
            raise ValueError(
                f"{table.place(record)} has the split {cell or ''!r}; write train, val or test in every {table.unit}, "
                f"set ingest.splits.{cell or 'NAME'} to one of these, or set ingest.columns.split to null, and ingest "
                "carves the splits."
            )
        splits.append(names.splits[cell])
    if names.guessed:
        logger.warning(
            "%s: the split %s. To change that, set ingest.splits.%s to another split",
            table.file,
            described(names, names.guessed),
            names.guessed[0],
        )
    return splits


def _found(path: str, folder: Path, table: ListTable, record: int) -> SourceFile:
    """The file of a path in any spelling.

    Raises:
        ValueError: the path is one of another machine.
    """
    found = _file(path, folder)
    if not _is_missing(found):
        return found
    for spelled in spellings(path)[1:]:
        other = _file(spelled, folder)
        if not _is_missing(other):
            return other
    if reason := foreign(path):
        raise ValueError(f"{table.place(record)}: {path} {reason}")
    return found


def _is_missing(file: SourceFile) -> bool:
    return file.problem is not None and file.problem.startswith("missing")


def _file(spelled: str, folder: Path) -> SourceFile:
    path = folder / Path(spelled).expanduser() if spelled.startswith("~") else folder / spelled
    name = str(Path(spelled)) if "./" in spelled or "//" in spelled else spelled
    if ".." in path.parts:
        path = path.resolve()
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return SourceFile(name, str(path), None, None, 0, 0, f"missing: the list names it ({reason})")
    problem = None if S_ISREG(status.st_mode) else "not an image: a folder or device"
    return SourceFile(name, str(path), None, None, status.st_size, status.st_mtime_ns, problem)
