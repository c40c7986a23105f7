"""Spool records that the store did not accept: keep them on disk, in order, until they are sent."""

import json
import shutil
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from dino_pipeline.dino.partial import written_whole
from dino_pipeline.workspace.run_lock import waiting_lock

FOLDER = Path("data") / ".unsent"  # in a project; one folder per run
RECORDS, ARTIFACTS = "records", "artifacts"  # channels: MLflow's two stores; one may fail alone
_SPEC = "opening.json"

Record = Mapping[str, Any]  # JSON-ready; `kind` is the record's type, `source` names its file or folder


@dataclass(frozen=True, kw_only=True)
class RunSpec:
    """How to find a run in a store, and how to create a missing one."""

    store: str  # address without password
    found_by: tuple[str, str]  # a tag and its value
    name: str
    tags: dict[str, str]
    started: int  # milliseconds since 1970
    is_training: bool  # False: the run of a finished model


class Spool:
    """The spooled records of one run, one file per channel. A lock keeps processes apart."""

    def __init__(self, root: Path, spec: RunSpec) -> None:
        self._root = root
        self._spec = spec
        tag, value = spec.found_by
        self.folder = root / f"{tag}-{value}".replace("/", "_").replace(" ", "_")

    def has(self, channel: str) -> bool:
        """Whether the channel has records."""
        return self._file(channel).is_file()

    def spec(self) -> RunSpec:
        """The spec of the first spooled record, else the spec of this process."""
        return _read_spec(self.folder) if (self.folder / _SPEC).is_file() else self._spec

    def append(self, channel: str, record: Record, source: Path | None) -> None:
        """Add a record, with a copy of its file or folder.

        Raises:
            OSError: the record cannot be written.
        """
        with self.locked(), self._undone_on_error(channel) as files:
            self.folder.mkdir(parents=True, exist_ok=True)
            if not (self.folder / _SPEC).is_file():
                with written_whole(self.folder / _SPEC) as partial:
                    partial.write_text(json.dumps(asdict(self._spec)))
            if source is not None:
                place = Path("files") / uuid.uuid4().hex / source.name
                files.append((self.folder / place).parent)
                files[-1].mkdir(parents=True)
                (shutil.copytree if source.is_dir() else shutil.copy)(source, self.folder / place)
                record = {**record, "source": str(place)}
            lines = self._lines(channel)
            with self._file(channel).open("r+" if lines else "w", encoding="utf-8") as opened:
                # A kill or a full disk may leave half a line.
                opened.seek(sum(len(line.encode()) + 1 for line in lines))
                opened.truncate()
                opened.write(json.dumps(record) + "\n")

    def read(self, channel: str) -> list[Record]:
        """The records, the oldest first."""
        return [json.loads(line) for line in self._lines(channel)]

    def replace(self, channel: str, records: list[Record]) -> None:
        """Keep only these records. Once no channel has any, remove the run's folder."""
        for record in self.read(channel):
            if "source" in record and record not in records:
                shutil.rmtree((self.folder / record["source"]).parent, ignore_errors=True)
        if records:
            with written_whole(self._file(channel)) as partial:
                partial.write_text("".join(json.dumps(record) + "\n" for record in records), encoding="utf-8")
            return
        self._file(channel).unlink(missing_ok=True)
        if not list(self.folder.glob("*.jsonl")):
            shutil.rmtree(self.folder, ignore_errors=True)

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from reading and writing the spool."""
        self._root.mkdir(parents=True, exist_ok=True)
        with waiting_lock(self._root / ".lock"):
            yield

    @contextmanager
    def _undone_on_error(self, channel: str) -> Iterator[list[Path]]:
        """Remove the folders in the list, which may fill the disk, and what has no record, if the block raises."""
        files: list[Path] = []
        try:
            yield files
        except OSError:
            for folder in files:
                shutil.rmtree(folder, ignore_errors=True)
            if not self._lines(channel):
                self.replace(channel, [])
            raise

    def _file(self, channel: str) -> Path:
        return self.folder / f"{channel}.jsonl"

    def _lines(self, channel: str) -> list[str]:
        """Whole lines. JSON has no line break of its own within one."""
        file = self._file(channel)
        return file.read_text(encoding="utf-8").split("\n")[:-1] if file.is_file() else []


def spooled_runs(root: Path) -> list[Spool]:
    """The runs with spooled records, the oldest first."""
    specs = [_read_spec(file.parent) for file in root.glob(f"*/{_SPEC}")]
    return [Spool(root, spec) for spec in sorted(specs, key=lambda spec: spec.started)]


def _read_spec(folder: Path) -> RunSpec:
    values = json.loads((folder / _SPEC).read_text())
    return RunSpec(**{**values, "found_by": tuple(values["found_by"])})
