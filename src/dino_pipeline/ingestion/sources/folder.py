"""List a folder of images. Links are followed. Hidden files and folders and what this project wrote are skipped."""

import os
import stat
import tomllib
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from dino_pipeline.ingestion.listing import Listing, SourceFile, is_hidden, make_listing
from dino_pipeline.ingestion.sources.archive import ENDINGS

# In folders that commands fill with pictures: they are no input of a later command.
OUTPUT_MARK = ".written_by_dino_pipeline"

_PROJECT_FILE = "pyproject.toml"
# What a project consists of, below its folder. Photos may lie beside it.
_PROJECT_PARTS = {"conf", "mlruns", "evaluations", "dvc_plots", "dvc.yaml", "dvc.lock", _PROJECT_FILE}
_LAYERS = "data/0"  # data/01_raw to data/08_reporting
# Folders of other programs, by a file in them.
_OTHERS = {"pyvenv.cfg": "a Python environment", "CACHEDIR.TAG": "a cache"}


@dataclass
class _Rules:
    """What one walk looks out for, and what it left out: its name and what it is."""

    outputs: Mapping[str, Path]
    is_project: bool
    left_out: list[tuple[str, str]] = field(default_factory=list)

    def what_it_is(self, name: str, path: str) -> str | None:
        """What a file or folder is, if it is no input."""
        if self.is_project and (name in _PROJECT_PARTS or name.startswith(_LAYERS)):
            return "this project's own"
        output = self.outputs.get(Path(path).name)
        if output and Path(path).resolve() == output:
            return "the output"
        return None


def list_folder(root: Path, *, outputs: Collection[Path] = ()) -> Listing:
    """List every file below `root`, whatever its suffix.

    Projects of dino_pipeline below `root`, its pictures, Python environments and caches are no input. They are named in
    `Listing.left_out`. If `root` itself is a project, its files beside configuration and data are input.

    Args:
        outputs: what the running command writes, which is no input either.
    """
    files: list[SourceFile] = []
    folders: list[str] = []
    rules = _Rules({path.name: path.resolve() for path in outputs}, _is_project(root))
    for name, entry in _walk(root, "", (_identity(root.stat()),), rules):
        if entry is None:
            folders.append(name)
        else:
            files.append(entry)
    return make_listing(files, folders, left_out=rules.left_out)


def _walk(
    folder: Path, prefix: str, ancestors: tuple[tuple[int, int], ...], rules: _Rules
) -> Iterator[tuple[str, SourceFile | None]]:
    with os.scandir(folder) as entries:
        found = sorted(entries, key=lambda entry: entry.name)
    if prefix and (foreign := _foreign(folder, {entry.name for entry in found})):
        rules.left_out.append((prefix.rstrip("/"), foreign))
        return
    if prefix:
        yield prefix.rstrip("/"), None
    for entry in found:
        if is_hidden(entry.name):
            continue
        name = prefix + entry.name
        if own := rules.what_it_is(name, entry.path):
            shown = f"{_LAYERS}*" if name.startswith(_LAYERS) else name
            if (shown, own) not in rules.left_out[-1:]:
                rules.left_out.append((shown, own))
            continue
        try:
            status = entry.stat()
        except OSError as error:
            yield name, _unreadable(name, entry.path, error)
            continue
        if not stat.S_ISDIR(status.st_mode):
            yield name, source_file(name, entry.path, status)
        elif _identity(status) not in ancestors:  # else the link leads back up, without end
            try:
                yield from _walk(Path(entry.path), f"{name}/", (*ancestors, _identity(status)), rules)
            except OSError as error:
                yield name, _unreadable(name, entry.path, error)


def source_file(name: str, path: str, status: os.stat_result) -> SourceFile:
    """A file that exists. Opening a pipe or a socket would block for ever, so it has a problem."""
    problem = None
    if not stat.S_ISREG(status.st_mode):
        problem = "not an image: a pipe, socket or device"
    elif name.lower().endswith(ENDINGS):
        problem = (
            "not an image: an archive; give archives themselves (several as [a.tar,b.tar]), or unpack them"
        )
    return SourceFile(name, path, None, None, status.st_size, status.st_mtime_ns, problem)


def _unreadable(name: str, path: str, error: OSError) -> SourceFile:
    return SourceFile(name, path, None, None, 0, 0, f"cannot be read: {error.strerror}")


def _foreign(folder: Path, names: Collection[str]) -> str | None:
    """What a folder is that contains these names, if it is none of images."""
    if OUTPUT_MARK in names:
        return "pictures of dino-pipeline"
    if _PROJECT_FILE in names and _is_project(folder):
        return "a project of dino_pipeline"
    return next((what for file, what in _OTHERS.items() if file in names), None)


def _is_project(folder: Path) -> bool:
    try:
        tools = tomllib.loads((folder / _PROJECT_FILE).read_text(encoding="utf-8")).get("tool", {})
    except (OSError, ValueError):
        return False
    return bool(tools.get("kedro", {}).get("package_name") == "dino_pipeline")


def _identity(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino
