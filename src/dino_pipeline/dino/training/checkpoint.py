"""Checkpoints: plain dictionaries, written whole or not at all."""

import os
from pathlib import Path
from typing import Any

import torch

LAST = "last.pt"


def save_checkpoint(state: dict[str, Any], path: Path) -> None:
    """Write atomically: a kill at any moment leaves the old file or the new one, never half of one."""
    temporary = path.with_suffix(".partial")
    # Through a file object: given a path, torch would put its name into the bytes.
    with temporary.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    _sync_folder(path.parent)


def load_checkpoint(path: Path, device: torch.device) -> dict[str, Any]:
    """Read a checkpoint without executing anything it holds."""
    state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    return state


def checkpoint_step(path: Path) -> int:
    """The finished steps of a training by its checkpoint, whose tensors stay on disk."""
    step: int = torch.load(path, map_location="cpu", weights_only=True, mmap=True)["state"]["step"]
    return step


def _sync_folder(folder: Path) -> None:
    # The rename itself is only safe on disk once the folder is.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
