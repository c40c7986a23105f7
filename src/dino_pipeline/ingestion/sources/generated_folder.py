"""A folder of generated images. It is complete or absent, and it is written again only when it would differ."""

import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from dino_pipeline.dino.partial import partial_path

logger = logging.getLogger(__name__)

_NOTE = ".written_by_ingest.json"


def write_once(folder: Path, *, origin: dict[str, Any], write: Callable[[Path], None]) -> None:
    """Fill `folder` by `write(empty folder)`, unless it is complete and has the same origin.

    Args:
        folder: the folder for the images.
        origin: JSON-ready values that decide the content; kept in a hidden file beside the images.
        write: writes the images into the folder that it receives.

    Raises:
        ValueError: the folder contains files that this function did not write.
    """
    note = folder / _NOTE
    if note.exists():
        if json.loads(note.read_text()) == origin | {"num_files": _count(folder)}:
            return
    elif folder.exists() and any(folder.iterdir()):
        raise ValueError(
            f"{folder} was not written by ingest, so ingest does not replace it: move it elsewhere."
        )

    logger.info("Writing images to %s", folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    partial = partial_path(folder)
    try:
        partial.mkdir()
        write(partial)
        (partial / _NOTE).write_text(json.dumps(origin | {"num_files": _count(partial)}))
        if folder.exists():
            shutil.rmtree(folder)
        partial.replace(folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _count(folder: Path) -> int:
    return sum(1 for path in folder.rglob("*") if path.is_file() and path.name != _NOTE)
