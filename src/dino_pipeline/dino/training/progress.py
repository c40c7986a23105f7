"""Training in progress: one folder a fingerprint, so that no training ever touches another's."""

import json
import shutil
from pathlib import Path
from typing import Any

from dino_pipeline.dino.training.checkpoint import LAST
from dino_pipeline.dino.training.finish import FINISHED
from dino_pipeline.dino.training.history import HISTORY, TIMING


def progress_folder(root: Path, fingerprint: str) -> Path:
    """Where a training keeps its checkpoint, history and log."""
    return root / fingerprint


def unfinished(root: Path, recipe: str, *, other_than: str) -> dict[str, dict[str, Any]]:
    """Specifications of the other trainings of a recipe that stopped on their way, by fingerprint."""
    specs = {}
    for file in sorted(root.glob("*/spec.json")):
        spec = json.loads(file.read_text())
        started = (file.parent / LAST).is_file() and not (file.parent / FINISHED).is_dir()
        if started and spec["recipe"] == recipe and spec["fingerprint"] != other_than:
            specs[spec["fingerprint"]] = spec
    return specs


def adopt(root: Path, source: str, fingerprint: str) -> None:
    """Start a training from another's progress; the other stays as it is.

    Raises:
        ValueError: there is no such progress, or this training has progress of its own.
    """
    origin, folder = progress_folder(root, source), progress_folder(root, fingerprint)
    if not (origin / LAST).is_file():
        known = ", ".join(sorted(p.parent.name for p in root.glob(f"*/{LAST}"))) or "none"
        raise ValueError(f"launch.adopt_progress: no progress under {source!r}; there is: {known}")
    if (folder / LAST).is_file():
        raise ValueError("launch.adopt_progress: this training has progress of its own; set it back to null")
    folder.mkdir(parents=True, exist_ok=True)
    for name in (HISTORY, TIMING, LAST):  # the checkpoint last: it is what makes the progress count
        shutil.copyfile(origin / name, folder / name)


def differing_keys(one: dict[str, Any], other: dict[str, Any], prefix: str = "") -> list[str]:
    """Dotted names of the values in which two configurations differ."""
    names = []
    for key in sorted(one.keys() | other.keys()):
        a, b = one.get(key), other.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            names += differing_keys(a, b, f"{prefix}{key}.")
        elif a != b:
            names.append(prefix + key)
    return names
