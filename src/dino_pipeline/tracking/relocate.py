"""Relocate a moved project: rewrite the absolute artifact addresses in MLflow's database."""

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from dino_pipeline.tracking.store import ARTIFACTS_FOLDER, EXPERIMENT, Store, local_path

ADDRESSES = (
    ("experiments", "artifact_location"),
    ("runs", "artifact_uri"),
    ("logged_models", "artifact_location"),
    ("model_versions", "source"),
    ("model_versions", "storage_location"),
)
_SECONDS_TO_WAIT = 30.0  # wait for another writer of the database


class Relocation(NamedTuple):
    """The rewritten addresses (after a dry run: those to rewrite): old folder, new folder, rows by `table.column`."""

    before: Path
    now: Path
    num_rows: dict[str, int]


def repair_addresses(store: Store, *, dry_run: bool) -> Relocation:
    """Rewrite the addresses that lead to the store's old folder. An error changes none.

    Args:
        store: an sqlite file, its artifacts beside it.
        dry_run: count only.

    Raises:
        ValueError: the store is no sqlite file, has no runs or no artifacts beside it, or is in use.
    """
    if store.file is None:
        raise ValueError(
            f"addresses can be repaired in an sqlite file only, but MLFLOW_TRACKING_URI is {store.uri}"
        )
    now = store.file.parent
    for path in (store.file, now / ARTIFACTS_FOLDER):
        if not path.exists():
            raise ValueError(
                f"{path} does not exist: move mlruns/ here with its database and artifacts, then run this command "
                "again"
            )
    try:
        with closing(sqlite3.connect(store.file, timeout=_SECONDS_TO_WAIT, isolation_level=None)) as database:
            database.execute("BEGIN IMMEDIATE")
            before = _folder_of_before(database, store.file)
            num_rows = {} if before.resolve() == now.resolve() else _rewrite(database, before, now)
            database.execute("ROLLBACK" if dry_run else "COMMIT")
    except sqlite3.Error as error:
        raise ValueError(
            f"{store.file} cannot be changed ({error}): stop the programs that use it, such as MLflow's UI"
        ) from error
    return Relocation(before, now, num_rows)


def _folder_of_before(database: sqlite3.Connection, file: Path) -> Path:
    row = database.execute(
        "SELECT artifact_location FROM experiments WHERE name = ?", [EXPERIMENT]
    ).fetchone()
    if row is None:
        raise ValueError(f"{file} contains no run of this project, so there is nothing to repair")
    return local_path(row[0]).parent


def _rewrite(database: sqlite3.Connection, before: Path, now: Path) -> dict[str, int]:
    num_rows = {}
    for table, column in ADDRESSES:
        count = 0
        for old, new in ((before.as_uri(), now.as_uri()), (str(before), str(now))):
            # The slash keeps /photos from matching /photos2.
            count += database.execute(
                f"UPDATE {table} SET {column} = ? || substr({column}, ?) WHERE substr({column}, 1, ?) = ?",
                [new, len(old) + 1, len(old) + 1, f"{old}/"],
            ).rowcount
        num_rows[f"{table}.{column}"] = count
    return num_rows
