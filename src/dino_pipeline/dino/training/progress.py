"""Progress of trainings, in one folder per fingerprint, so that trainings never share files."""

import json
import shutil
from pathlib import Path
from typing import Any

import torch

from dino_pipeline.dino.core.config import to_dict
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.partial import written_whole
from dino_pipeline.dino.training.checkpoint import load_checkpoint
from dino_pipeline.dino.training.finish import EARLIER, FINISHED, earlier_fingerprints
from dino_pipeline.dino.training.history import HISTORY, TIMING
from dino_pipeline.dino.training.kept_checkpoints import LAST
from dino_pipeline.dino.weights.older_files import completed

SPEC = "spec.json"  # in a training's folder: its specification
_ADOPTED = "adopted"  # in a training's folder: the fingerprint of the training whose progress it adopted


def progress_folder(root: Path, fingerprint: str) -> Path:
    """The folder of a training's checkpoint, history and log."""
    return root / fingerprint


def find_progress(root: Path, fingerprint: str) -> Path:
    """The folder of a training by its current or an earlier fingerprint. Without one, the folder it would get."""
    folder = progress_folder(root, fingerprint)
    if folder.is_dir():
        return folder
    earlier = (file.parent for file in sorted(root.glob(f"*/{EARLIER}")))
    return next((one for one in earlier if fingerprint in earlier_fingerprints(one)), folder)


def unfinished(root: Path, recipe: str, *, other_than: str) -> dict[str, dict[str, Any]]:
    """Specifications of other unfinished trainings of a recipe that have a checkpoint, by fingerprint."""
    specs = {}
    for file in sorted(root.glob(f"*/{SPEC}")):
        spec = completed(json.loads(file.read_text()))
        started = (file.parent / LAST).is_file() and not (file.parent / FINISHED).is_dir()
        if started and spec["recipe"] == recipe and spec["fingerprint"] != other_than:
            specs[spec["fingerprint"]] = spec
    return specs


def adopt(root: Path, source: str, fingerprint: str) -> None:
    """Start a training from another's progress, which stays as it is. A repeated call does nothing.

    Raises:
        ValueError: there is no such progress, or this training has progress of its own.
    """
    origin, folder = find_progress(root, source), progress_folder(root, fingerprint)
    if not (origin / LAST).is_file():
        known = ", ".join(sorted(p.parent.name for p in root.glob(f"*/{LAST}"))) or "none"
        raise ValueError(f"launch.adopt_progress: there is no progress of {source!r}; existing: {known}")
    if (folder / LAST).is_file():
        if adopted_from(folder) == source:
            return  # the same command again after an interruption
        raise ValueError(
            "launch.adopt_progress: this training already has its own progress: set it back to null"
        )
    folder.mkdir(parents=True, exist_ok=True)
    with written_whole(folder / _ADOPTED) as partial:
        partial.write_text(source)
    _copy_progress(origin / LAST, folder)


def adopted_from(folder: Path) -> str | None:
    """The fingerprint of the training whose progress this one adopted; None if it adopted none."""
    file = folder / _ADOPTED
    return file.read_text() if file.is_file() else None


def resume_from(checkpoint: Path, folder: Path, fingerprint: str, pretrain: PretrainConfig) -> None:
    """Copy a checkpoint of this same training, e.g. from a backup or another machine, into the training's folder.

    If the training already has progress of its own, for example after an interruption, it continues from that.

    Raises:
        ValueError: the file does not exist, is damaged, or is another training's; the message says what differs.
    """
    if (folder / LAST).is_file():
        return
    if not checkpoint.is_file():
        raise ValueError(f"launch.resume_from is {checkpoint}, which does not exist: give a checkpoint file")
    state = load_checkpoint(checkpoint, torch.device("cpu"))
    if not {"fingerprint", "config"} <= state.keys():
        raise ValueError(
            f"launch.resume_from is {checkpoint}, which contains weights but no training: use it as "
            "pretrain.initial_weights"
        )
    if state["fingerprint"] not in (fingerprint, *earlier_fingerprints(folder)):
        differing = differing_keys(completed({"pretrain": state["config"]}), {"pretrain": to_dict(pretrain)})
        raise ValueError(
            f"launch.resume_from: the training of {checkpoint} differs in "
            f"{', '.join(differing) or 'its data or code'}; set these to its values, or continue on purpose, as a "
            f"new run, with launch.adopt_progress={state['fingerprint']}"
        )
    folder.mkdir(parents=True, exist_ok=True)
    _copy_progress(checkpoint, folder)


def _copy_progress(checkpoint: Path, folder: Path) -> None:
    for name in (HISTORY, TIMING):
        if (checkpoint.parent / name).is_file():
            with written_whole(folder / name) as partial:
                shutil.copyfile(checkpoint.parent / name, partial)
    with written_whole(folder / LAST) as partial:  # last, because this file marks the folder as progress
        shutil.copyfile(checkpoint, partial)


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
