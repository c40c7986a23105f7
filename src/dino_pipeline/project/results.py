"""Keep the results of stages by a key, and find them again. A kill leaves nothing that is taken for a result.

Results lie in data/.results/<node>/<key>/ as hard links to the files of the catalog, outside the files that DVC tracks:
`dvc repro` deletes a stage's outputs before it runs the stage.
"""

import hashlib
import json
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from dino_pipeline.dino.core.config import from_dict, frozen
from dino_pipeline.dino.partial import partial_path, written_whole

RESULTS = Path("data/.results")  # in a project
_DESCRIPTION = "result.json"
_RECORDS = "records"


@frozen
class Description:
    """What result.json holds: the file whose presence says that a result is whole."""

    outputs: dict[str, str]  # the catalog's name of each output, and the digest of its content
    messages: tuple[str, ...]  # what the node logged about its result
    records: tuple[dict[str, Any], ...]  # what it logged to MLflow, see `tracking.recording`
    records_digest: str  # of the content of the records' files
    made: str  # when the node ended: ISO 8601, with the time zone
    seconds: float  # that the node took


@dataclass(frozen=True)
class Result:
    """A stored result of one node."""

    folder: Path
    description: Description

    @property
    def records_folder(self) -> Path:
        """The files that belong to the records."""
        return self.folder / _RECORDS

    def restore(self, outputs: Mapping[str, Path]) -> None:
        """Put the files where the catalog expects them. Files with the right content stay as they are.

        Args:
            outputs: the path of each output, by the catalog's name.
        """
        for name, path in outputs.items():
            if content_digest(path) != self.description.outputs[name]:
                _link_whole(self.folder / name, path)
        os.utime(self.folder / _DESCRIPTION)  # the time of the last use


class ResultStore:
    """The results of one project."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def find(self, node: str, key: str) -> Result | None:
        """The result with this key. A damaged one is removed; None then, as if it had never been there."""
        folder = self.folder / node / key
        if not folder.is_dir():
            return None
        try:
            result = Result(folder, _read(folder))
            digests = {**result.description.outputs, _RECORDS: result.description.records_digest}
            is_whole = all(content_digest(folder / name) == digest for name, digest in digests.items())
        except (OSError, ValueError):
            is_whole = False
        if is_whole:
            return result
        shutil.rmtree(folder, ignore_errors=True)
        return None

    @contextmanager
    def making(self, node: str, key: str) -> Iterator["Draft"]:
        """Collect a new result. It appears when the block ends and the draft is complete, whole or not at all."""
        target = self.folder / node / key
        target.parent.mkdir(parents=True, exist_ok=True)
        draft = Draft(partial_path(target))
        shutil.rmtree(draft.folder, ignore_errors=True)
        draft.records_folder.mkdir(parents=True)
        try:
            yield draft
            if (draft.folder / _DESCRIPTION).is_file():
                shutil.rmtree(target, ignore_errors=True)
                draft.folder.rename(target)
        finally:
            shutil.rmtree(draft.folder, ignore_errors=True)


class Draft:
    """A result in the making."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._begun = time.perf_counter()

    @property
    def records_folder(self) -> Path:
        """Receives the files that belong to records."""
        return self.folder / _RECORDS

    def complete(
        self, outputs: Mapping[str, Path], *, messages: list[str], records: list[dict[str, Any]]
    ) -> None:
        """Take the outputs in, and describe the result.

        Args:
            outputs: the path of each output, by the catalog's name.
        """
        for name, path in outputs.items():
            _link(path, self.folder / name)
        description = Description(
            outputs={name: content_digest(self.folder / name) for name in outputs},
            messages=tuple(messages),
            records=tuple(records),
            records_digest=content_digest(self.records_folder),
            made=datetime.now().astimezone().isoformat(timespec="seconds"),
            seconds=round(time.perf_counter() - self._begun, 3),
        )
        with written_whole(self.folder / _DESCRIPTION) as partial:
            partial.write_text(json.dumps(asdict(description), indent=1))


class CleanUp(NamedTuple):
    """What a clean-up removed, or would remove, and what stays."""

    num_removed: int
    bytes_freed: int  # a file that is also an output of a recipe frees nothing
    num_left: int
    bytes_left: int


def clean_up(folder: Path, *, unused_days: float, is_dry_run: bool) -> CleanUp:
    """Remove results that no run has used for some days.

    Args:
        folder: a project's data/.results.
        is_dry_run: only count.
    """
    now = time.time()
    removed: list[Path] = []
    left: list[Path] = []
    for result in sorted(folder.glob("*/*")):
        description = result / _DESCRIPTION
        if result.name.startswith(".") or not description.is_file():  # in the making, or what a kill left
            days, used = max(unused_days, 1), result.stat().st_mtime
        else:
            days, used = unused_days, description.stat().st_mtime
        (removed if now - used >= days * 86400 else left).append(result)
    freed = sum(map(_own_bytes, removed))
    if not is_dry_run:
        for result in removed:
            shutil.rmtree(result)
    return CleanUp(len(removed), freed, len(left), sum(map(_own_bytes, left)))


def content_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, or of a folder's names and bytes; empty if there is nothing at the path."""
    if path.is_dir():
        names = sorted(file.relative_to(path).as_posix() for file in path.rglob("*") if file.is_file())
        lines = [f"{name} {content_digest(path / name)}" for name in names]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(folder: Path) -> Description:
    return from_dict(Description, json.loads((folder / _DESCRIPTION).read_text()))


def _link_whole(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    scratch = partial_path(target)
    scratch.mkdir()
    try:
        _link(source, scratch / "fresh")
        if target.is_dir():  # a folder cannot replace another in one step
            target.rename(scratch / "replaced")
        (scratch / "fresh").rename(target)
    finally:
        shutil.rmtree(scratch)


def _link(source: Path, target: Path) -> None:
    """Link a file or every file of a folder; copy where the file system has no hard links."""
    if source.is_dir():
        shutil.copytree(source, target, copy_function=_link_file)
    else:
        _link_file(source, target)


def _link_file(source: str | Path, target: str | Path) -> None:
    # A symbolic link, as DVC's cache may put it here, would not keep the content.
    real = Path(source).resolve()
    try:
        os.link(real, target)
    except OSError:
        shutil.copyfile(real, target)


def _own_bytes(folder: Path) -> int:
    """Bytes of files that have no other name."""
    stats = [file.stat() for file in folder.rglob("*") if file.is_file()]
    return sum(stat.st_size for stat in stats if stat.st_nlink == 1)
