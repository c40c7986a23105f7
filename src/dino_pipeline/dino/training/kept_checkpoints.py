"""The checkpoints of a training: the newest as last.pt, and others named by step to go back to."""

import logging
from pathlib import Path
from typing import Any

import torch

from dino_pipeline.dino.core.distributed import rank
from dino_pipeline.dino.training.checkpoint import DamagedCheckpointError, load_checkpoint, save_checkpoint
from dino_pipeline.dino.training.config import MonitoringConfig

LAST = "last.pt"

logger = logging.getLogger(__name__)


def keep_checkpoint(state: dict[str, Any], folder: Path, *, step: int, monitoring: MonitoringConfig) -> None:
    """Write last.pt, keep it under its step too, and remove checkpoints that are neither recent nor kept for good.

    Raises:
        OSError: the file cannot be written, for example on a full disk; last.pt is unchanged.
    """
    last = folder / LAST
    save_checkpoint(state, last)
    kept = folder / f"step-{step:08d}.pt"
    kept.unlink(missing_ok=True)
    kept.hardlink_to(last)  # a hard link, not a copy
    newest = kept_checkpoints(folder)[: monitoring.keep_last_checkpoints]
    every = monitoring.keep_checkpoint_every_steps
    for file in kept_checkpoints(folder):
        if file not in newest and not (every and step_of(file) % every == 0):
            file.unlink()


def kept_checkpoints(folder: Path) -> list[Path]:
    """Checkpoints named by step, newest first. The first is usually the same file as last.pt."""
    return sorted(folder.glob("step-*.pt"), reverse=True)


def step_of(kept: Path) -> int:
    """The number of finished steps of a checkpoint that is named by step."""
    return int(kept.stem.removeprefix("step-"))


def load_newest(folder: Path, device: torch.device) -> dict[str, Any] | None:
    """Load the newest undamaged checkpoint, with a warning if that is not the last one. None if there is none.

    Raises:
        DamagedCheckpointError: there are checkpoints, and every one is damaged.
    """
    last = folder / LAST
    kept = [file for file in kept_checkpoints(folder) if not (last.is_file() and file.samefile(last))]
    candidates = [last, *kept] if last.is_file() else kept
    damaged = None
    for file in candidates:
        try:
            state = load_checkpoint(file, device)
        except DamagedCheckpointError as error:
            damaged = error
            if rank() == 0:
                logger.warning("%s; using the checkpoint before it", error)
            continue
        return state
    if damaged:
        raise DamagedCheckpointError(
            f"every checkpoint in {folder} is damaged: restore one from a backup, or remove the folder to start "
            "again"
        )
    return None
