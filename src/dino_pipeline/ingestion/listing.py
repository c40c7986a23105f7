"""List the contents of a source before any file is opened: files with size and time, and folders."""

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path, PurePosixPath

from dino_pipeline.ingestion.config import IngestConfig
from dino_pipeline.ingestion.layout import Place, arrange
from dino_pipeline.ingestion.split_names import Given

# Files and folders that Windows, macOS, Linux and network storage put beside images; some contain thumbnails.
_SYSTEM = {
    "__macosx",
    "icon\r",
    "thumbs.db",
    "ehthumbs.db",
    "desktop.ini",
    "$recycle.bin",
    "system volume information",
    "lost+found",
    "@eadir",
    "#recycle",
}

MANIFEST = "data/03_primary/{recipe}/manifest.parquet"  # as in conf/base/catalog.yml


@dataclass(frozen=True)
class SourceContext:
    """What a source may need in addition to its name.

    Attributes:
        config: the `ingest` parameters.
        project_folder: the folder that relative paths start from.
        raw_folder: the folder for embedded images and requested copies.
        cache_folder: keeps decompressed archives from one call to the next.
    """

    config: IngestConfig
    project_folder: Path
    raw_folder: Path
    cache_folder: Path


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One file of a folder, or one member of an archive.

    Attributes:
        name: relative to the source, parts joined by "/".
        path: absolute path; for a member, the archive's path.
        member: the name inside the archive, as the archive spells it.
        offset: position of the data inside an uncompressed .tar.
        size: encoded bytes.
        mtime_ns: modification time; for a member, the archive's.
        problem: why the bytes are no image, where this is known without reading them.
    """

    name: str
    path: str
    member: str | None
    offset: int | None
    size: int
    mtime_ns: int
    problem: str | None = None


@dataclass(frozen=True)
class Listing:
    """The files of a source, sorted by name, and its folders, empty ones included.

    Attributes:
        places: split and label by file name, where the source itself gives them; None: the folders give them.
        left_out: what lies among the files and is no input: the project's own, pictures that it wrote, caches.
        has_splits: whether `places` has splits of the source's own.
    """

    files: list[SourceFile]
    folders: set[str]
    places: dict[str, Place] | None = None
    left_out: tuple[tuple[str, str], ...] = ()
    has_splits: bool = True

    def places_of(self, files: Sequence[SourceFile], splits: Given) -> list[Place]:
        """Split and label of the given usable files. `splits` is `ingest.splits`.

        Raises:
            ValueError: see `arrange`.
        """
        if self.places is not None:
            return [self.places[file.name] for file in files]
        return arrange([file.name for file in files], self.folders, splits)


def make_listing(
    files: Iterable[SourceFile], folders: Iterable[str], *, left_out: Sequence[tuple[str, str]] = ()
) -> Listing:
    """Sort the files and add every folder that a file implies."""
    ordered = sorted(map(_storable, files), key=lambda file: file.name)
    implied = {
        str(parent) for name in folders for parent in [PurePosixPath(name), *PurePosixPath(name).parents]
    }
    for directory in {file.name.rpartition("/")[0] for file in ordered}:
        implied.update(
            str(parent) for parent in [PurePosixPath(directory), *PurePosixPath(directory).parents]
        )
    return Listing(files=ordered, folders=implied - {"."}, left_out=tuple(left_out))


def identities() -> Callable[[str], tuple[str, str]]:
    """A function with equal results for the spellings of a file: absolute or not, with `.`, or by linked folders."""
    real_folder = cache(os.path.realpath)

    def identity(path: str) -> tuple[str, str]:
        folder, _, name = os.path.abspath(path).rpartition("/")  # noqa: PTH100 Path is several times slower
        return str(real_folder(folder)), name

    return identity


def is_hidden(name: str) -> bool:
    """Whether a file manager or an operating system hides the file. Such files are not the user's images."""
    return any(part.startswith(".") or part.lower() in _SYSTEM for part in name.split("/"))


def said_of_left_out(left_out: Sequence[tuple[str, str]]) -> str:
    """One line on what is no input: "conf, mlruns (this project's own), out (pictures of dino-pipeline)"."""
    by_kind: dict[str, list[str]] = {}
    for name, what in left_out:
        by_kind.setdefault(what, []).append(name)
    parts = []
    for what, names in by_kind.items():
        more = f" and {len(names) - 6:,} more" if len(names) > 7 else ""
        parts.append(f"{', '.join(names[: 6 if more else 7])}{more} ({what})")
    return ", ".join(parts)


def _storable(file: SourceFile) -> SourceFile:
    try:
        (file.path + (file.member or "")).encode()
    except UnicodeEncodeError:  # bytes of another encoding, which no Parquet string holds
        return replace(
            file,
            name=_escaped(file.name),
            path=_escaped(file.path),
            member=None if file.member is None else _escaped(file.member),
            problem="cannot be read: its name is not UTF-8; rename it",
        )
    return file


def _escaped(name: str) -> str:
    return name.encode(errors="surrogateescape").decode(errors="backslashreplace")
