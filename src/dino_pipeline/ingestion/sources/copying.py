"""Copy a source into data/01_raw, for whoever asks: what changed, and no more."""

import json
import logging
import shutil
from pathlib import Path

from dino_pipeline.dino.partial import partial_path, written_whole
from dino_pipeline.ingestion.sources.folder import list_folder

logger = logging.getLogger(__name__)

_NOTE = ".copied_by_ingest.json"


def copy_source(source: Path, raw_folder: Path) -> Path:
    """Copy a folder or an archive below `raw_folder` and say where; one that lies there already stays.

    A later call copies new and changed files and removes those that the source has no more.

    Raises:
        ValueError: a folder of that name is there and is no copy of this source.
    """
    if source.is_relative_to(raw_folder):
        return source
    target = raw_folder / source.name
    if source.is_file():
        raw_folder.mkdir(parents=True, exist_ok=True)
        _copy_file(source, target)
        return target

    note = target / _NOTE
    if target.exists() and (not note.exists() or json.loads(note.read_text()) != str(source)):
        raise ValueError(f"{target} is no copy of {source} and will not be changed: move it elsewhere.")
    logger.info("Copying %s to %s", source, target)
    target.mkdir(parents=True, exist_ok=True)
    with written_whole(note) as partial:
        partial.write_text(json.dumps(str(source)))
    wanted = {file.name: file for file in list_folder(source).files if file.problem is None}
    for file in list_folder(target).files:
        if file.name not in wanted:
            Path(file.path).unlink()
    for name, file in wanted.items():
        _copy_file(Path(file.path), target / name)
    return target


def _copy_file(source: Path, target: Path) -> None:
    wanted = source.stat()
    if target.exists():
        found = target.stat()
        if (found.st_size, found.st_mtime_ns) == (wanted.st_size, wanted.st_mtime_ns):
            return
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_path(target)
    shutil.copy2(source, partial)
    partial.replace(target)
