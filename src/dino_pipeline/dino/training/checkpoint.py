"""A checkpoint: a plain dictionary, written atomically, with a checksum over all its bytes at the end."""

import hashlib
import pickle
from pathlib import Path
from typing import Any, BinaryIO

import torch

from dino_pipeline.dino.partial import written_whole

# The checksum follows torch's own bytes. torch.load ignores it, so any torch can open the file.
_MARK = b"\nsha256 "
_FOOTER_BYTES = len(_MARK) + 64 + 1


class DamagedCheckpointError(ValueError):
    """The file does not hold the bytes that were written: it is truncated, changed, or not a checkpoint."""


def save_checkpoint(state: dict[str, Any], path: Path) -> None:
    """Write atomically: after a crash at any moment the file is the old or the new one, never a partial one.

    Raises:
        OSError: the file cannot be written, for example on a full disk; the old file is unchanged.
    """
    try:
        with written_whole(path) as partial, partial.open("w+b") as file:
            # A file object, because torch would write a path's name into the bytes.
            _save(state, file)
            file.seek(0)
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            file.write(_MARK + digest.encode() + b"\n")
    except OSError as error:
        raise OSError(
            error.errno,
            f"{error.strerror}: a checkpoint could not be written; the previous one is intact. Solve this, then "
            "the same command continues from there",
            str(path),
        ) from error


def load_checkpoint(path: Path, device: torch.device) -> dict[str, Any]:
    """Read a checkpoint without executing anything in it.

    Raises:
        DamagedCheckpointError: the checksum is wrong or missing.
        ValueError: the file holds something other than plain values and tensors.
    """
    with path.open("rb") as file:
        _verify(file, path)
        file.seek(0)
        try:
            state: dict[str, Any] = torch.load(file, map_location=device, weights_only=True)
        except pickle.UnpicklingError as error:
            raise ValueError(
                f"{path} is refused: it contains objects or code, but a checkpoint contains only plain values and "
                "tensors"
            ) from error
    return state


def checkpoint_step(path: Path) -> int:
    """Number of finished steps in a checkpoint, read without loading its tensors."""
    step: int = torch.load(path, map_location="cpu", weights_only=True, mmap=True)["state"]["step"]
    return step


def _save(state: dict[str, Any], file: BinaryIO) -> None:
    try:
        torch.save(state, file)
    except RuntimeError as error:
        # torch's writer hides the file's error behind a message about positions
        if isinstance(error.__context__, OSError):
            raise error.__context__ from None
        raise


def _verify(file: BinaryIO, path: Path) -> None:
    size = path.stat().st_size
    file.seek(max(0, size - _FOOTER_BYTES))
    footer = file.read()
    if not (footer.startswith(_MARK) and footer.endswith(b"\n") and len(footer) == _FOOTER_BYTES):
        raise DamagedCheckpointError(f"{path} is damaged: it is incomplete")
    digest = hashlib.sha256()
    file.seek(0)
    left = size - _FOOTER_BYTES
    while left:
        chunk = file.read(min(left, 1 << 20))
        digest.update(chunk)
        left -= len(chunk)
    if digest.hexdigest().encode() != footer[len(_MARK) : -1]:
        raise DamagedCheckpointError(f"{path} is damaged: its bytes have changed since it was written")
