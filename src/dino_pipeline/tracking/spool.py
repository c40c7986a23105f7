"""What a store did not take of a run: kept on disk, in order, until it is sent."""

import fcntl
import json
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dino_pipeline.dino.partial import written_whole

FOLDER = Path("data") / ".unsent"  # of a project; a folder a run
_OPENING = "opening.json"

Record = Mapping[str, Any]  # JSON-ready; `kind` says what, `source` names a file or folder that goes with it


@dataclass(frozen=True, kw_only=True)
class Opening:
    """By what a run is found in a store, and what it is made of where there is none."""

    store: str  # its address, without password
    found_by: tuple[str, str]  # a tag and its value
    name: str
    tags: dict[str, str]
    started: int  # milliseconds since 1970
    is_training: bool  # any other run is of a finished model


class Unsent:
    """The kept records of one run. Processes take turns by a lock."""

    def __init__(self, root: Path, opening: Opening) -> None:
        self._root = root
        self._opening = opening
        tag, value = opening.found_by
        self.folder = root / f"{tag}-{value}".replace("/", "_").replace(" ", "_")

    def has(self, lane: str) -> bool:
        """Whether anything of the lane is kept."""
        return self._file(lane).is_file()

    def opening(self) -> Opening:
        """What the run is made of: as it was when the first record was kept, else as it is now."""
        file = self.folder / _OPENING
        return read_opening(file.parent) if file.is_file() else self._opening

    def append(self, lane: str, record: Record, source: Path | None) -> None:
        """Keep a record, and a copy of the file or folder that goes with it.

        Raises:
            OSError: the disk does not take it.
        """
        with self.locked():
            self.folder.mkdir(parents=True, exist_ok=True)
            if not (self.folder / _OPENING).is_file():
                with written_whole(self.folder / _OPENING) as partial:
                    partial.write_text(json.dumps(asdict(self._opening)))
            if source is not None:
                place = Path("files") / uuid.uuid4().hex / source.name
                (self.folder / place).parent.mkdir(parents=True)
                (shutil.copytree if source.is_dir() else shutil.copy)(source, self.folder / place)
                record = {**record, "source": str(place)}
            lines = self._lines(lane)
            with self._file(lane).open("r+" if lines else "w", encoding="utf-8") as opened:
                # A kill or a full disk may have left half a line.
                opened.seek(sum(len(line.encode()) + 1 for line in lines))
                opened.truncate()
                opened.write(json.dumps(record) + "\n")

    def read(self, lane: str) -> list[Record]:
        """The records, the oldest first."""
        return [json.loads(line) for line in self._lines(lane)]

    def replace(self, lane: str, records: list[Record]) -> None:
        """Keep these records only; with the last of all lanes the run's folder goes."""
        for record in self.read(lane):
            if "source" in record and record not in records:
                shutil.rmtree((self.folder / record["source"]).parent, ignore_errors=True)
        if records:
            with written_whole(self._file(lane)) as partial:
                partial.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
            return
        self._file(lane).unlink(missing_ok=True)
        if not list(self.folder.glob("*.jsonl")):
            shutil.rmtree(self.folder, ignore_errors=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from reading and writing what is kept."""
        self._root.mkdir(parents=True, exist_ok=True)
        with (self._root / ".lock").open("w") as guard:
            fcntl.flock(guard, fcntl.LOCK_EX)
            yield

    def _file(self, lane: str) -> Path:
        return self.folder / f"{lane}.jsonl"

    def _lines(self, lane: str) -> list[str]:
        """Whole lines; JSON has no line break of its own within one."""
        file = self._file(lane)
        return file.read_text(encoding="utf-8").split("\n")[:-1] if file.is_file() else []


def kept_runs(root: Path) -> list[Unsent]:
    """The runs of which something is kept, the oldest first."""
    openings = [read_opening(file.parent) for file in root.glob(f"*/{_OPENING}")]
    return [Unsent(root, opening) for opening in sorted(openings, key=lambda opening: opening.started)]


def read_opening(folder: Path) -> Opening:
    """What the run, whose records this folder keeps, is made of."""
    values = json.loads((folder / _OPENING).read_text())
    return Opening(**{**values, "found_by": tuple(values["found_by"])})
