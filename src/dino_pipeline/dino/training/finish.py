"""Write the finished model from a training's progress, atomically."""

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from dino_pipeline.dino.core.config import to_dict
from dino_pipeline.dino.training.checkpoint import load_checkpoint
from dino_pipeline.dino.training.comparison import VERDICT
from dino_pipeline.dino.training.config import TrainingSpec
from dino_pipeline.dino.training.frozen_teacher import FROZEN_TEACHER
from dino_pipeline.dino.training.history import HISTORY
from dino_pipeline.dino.weights.published import Network, PublishedModel, write_model

FINISHED = "finished"
EARLIER = "earlier_fingerprints"  # in a training's folder: one per line, oldest first


def finish(
    spec: TrainingSpec, state: Mapping[str, Any], *, data_digest: str, verdict: dict[str, Any] | None
) -> None:
    """Write the finished model into the progress folder, where it appears only once it is complete.

    Args:
        state: the training state's whole state dictionary
        verdict: of a training that started from pretrained weights
    """
    folder = Path(spec.folder)
    if (folder / FINISHED).is_dir():
        return  # a worker was lost between this point and the end, and all workers restarted
    temporary = _fresh(folder / f".{FINISHED}")
    description = PublishedModel(
        fingerprint=spec.fingerprint,
        data_digest=data_digest,
        recipe=spec.recipe,
        config=to_dict(spec.pretrain),
        earlier_fingerprints=earlier_fingerprints(folder),
    )
    # The teacher is the published network if it learns in the training; otherwise the student is.
    teacher = state["teacher" if spec.pretrain.teacher.learns else "student"]
    # Saved with the model, so that evaluations can compare the student with its teacher.
    kept = folder / FROZEN_TEACHER
    frozen_teacher = load_checkpoint(kept, torch.device("cpu")) if kept.is_file() else None
    networks: dict[Network, Any] = {"teacher": teacher, "student": state["student"]}
    write_model(temporary, description, networks, frozen_teacher=frozen_teacher)
    shutil.copyfile(folder / HISTORY, temporary / HISTORY)
    if verdict is not None:
        (temporary / VERDICT).write_text(json.dumps(verdict, indent=2) + "\n")
    _sync(temporary)
    temporary.rename(folder / FINISHED)


def earlier_fingerprints(folder: Path) -> tuple[str, ...]:
    """Earlier fingerprints of the training in a progress folder, oldest first."""
    file = folder / EARLIER
    return tuple(file.read_text().split()) if file.is_file() else ()


def _fresh(folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def _sync(folder: Path) -> None:
    for file in folder.iterdir():
        with file.open("rb") as opened:
            os.fsync(opened.fileno())
