"""List the files that a .csv, .tsv or .parquet names, with labels, splits and groups from its columns."""

from pathlib import Path
from stat import S_ISREG

import pandas as pd
import pyarrow as pa

from dino_pipeline.ingestion.layout import SPLIT_NAMES, Place
from dino_pipeline.ingestion.listing import Listing, SourceFile, make_listing


def list_table(table: Path) -> Listing:
    """The files in the column `path`, relative to the table's folder. A missing file has a `problem`.

    The columns `label`, `split` and `group` are optional; an empty label or group means none. Other columns are
    ignored.

    Raises:
        ValueError: the file is no readable table, has no column `path`, or names an unknown split.
    """
    rows = _read(table)
    if "path" not in rows:
        raise ValueError(
            f"{table} has no column 'path', only {', '.join(map(repr, rows.columns))}: rename the column that "
            "holds the paths."
        )
    labels = rows["label"] if "label" in rows else [""] * len(rows)
    groups = rows["group"] if "group" in rows else [""] * len(rows)
    splits = _splits(rows["split"], table) if "split" in rows else ["train"] * len(rows)
    # reversed: the first line of a repeated file counts
    places = {
        name: Place(split, label or None, tuple(name.split("/")[:-1]), group or None)
        for name, split, label, group in reversed(
            list(zip(rows["path"], splits, labels, groups, strict=True))
        )
    }
    listing = make_listing([_file(name, table.parent) for name in places if name], ())
    return Listing(listing.files, set(), places)


def _read(table: Path) -> pd.DataFrame:
    try:
        if table.suffix.lower() == ".parquet":
            rows = pd.read_parquet(table)
            return rows.astype("string").fillna("").astype(str)
        # As text: a class named 007 or NA keeps its name.
        separator = "\t" if table.suffix.lower() == ".tsv" else ","
        return pd.read_csv(table, dtype=str, keep_default_na=False, sep=separator, encoding="utf-8-sig")
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError, pa.ArrowInvalid) as error:
        raise ValueError(f"{table} cannot be read as a table: {error}") from error


def _splits(names: "pd.Series[str]", table: Path) -> list[str]:
    splits = [SPLIT_NAMES.get(name.lower()) for name in names]
    for row, (split, name) in enumerate(zip(splits, names, strict=True)):
        if split is None:
            raise ValueError(
                f"{table}: row {row + 1} has the split {name!r}; write train, val or test in every row, or remove "
                "the column, and ingest carves the splits."
            )
    return [split for split in splits if split]


def _file(name: str, folder: Path) -> SourceFile:
    path = folder / Path(name).expanduser()
    if ".." in path.parts:
        path = path.resolve()
    try:
        status = path.stat()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return SourceFile(name, str(path), None, None, 0, 0, f"missing: the list names it ({reason})")
    problem = None if S_ISREG(status.st_mode) else "not an image: a folder or device"
    return SourceFile(name, str(path), None, None, status.st_size, status.st_mtime_ns, problem)
