"""Keep what is logged to runs, so that it can be logged again."""

import shutil
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dino_pipeline.tracking.spool import Record


class Recording:
    """Keeps what this process logs while the recording is active.

    Attributes:
        records: JSON-ready, oldest first; `run` is the value by which the record's run is found.
        folder: receives copies of logged files.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.records: list[dict[str, Any]] = []

    def __enter__(self) -> Self:
        global _active
        _active = self
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        global _active
        _active = None


_active: Recording | None = None


def keep(record: Record, source: Path | None, *, run: str) -> None:
    """Add a record to the active recording, if there is one, with a copy of the record's file or folder."""
    if _active is None:
        return
    kept = {**record, "run": run}
    if source is not None:
        kept["source"] = f"{len(_active.records)}/{source.name}"
        copy = _active.folder / kept["source"]
        copy.parent.mkdir(parents=True)
        (shutil.copytree if source.is_dir() else shutil.copy)(source, copy)
    _active.records.append(kept)
