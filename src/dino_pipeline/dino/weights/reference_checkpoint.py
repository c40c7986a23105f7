"""Read training checkpoints of the published DINO code, without executing anything they hold.

Layout: {student, teacher, optimizer, epoch, args, dino_loss}, with `module.` before the student's names
(https://github.com/facebookresearch/dino, main_dino.py).
"""

import argparse
import pickle
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from dino_pipeline.dino.weights.reference_names import network_names


class ReferenceCheckpoint(NamedTuple):
    """Weights under the names that `MultiCropNetwork.load_state_dict` takes."""

    student: dict[str, Tensor]
    teacher: dict[str, Tensor]
    center: Tensor  # [1, prototypes]
    epoch: int


_numpy_scalar = type(np.float64(0.0)).__reduce__(np.float64(0.0))[0]  # what rebuilds a pickled numpy scalar

# Besides tensors the files hold a Namespace of arguments and numpy scalars: these may be rebuilt, and nothing else.
_ALLOWED: list[Any] = [
    argparse.Namespace,
    np.dtype,
    np.ndarray,
    *{type(np.dtype(kind)) for kind in (np.float64, np.float32, np.int64, np.int32, np.bool_)},
    _numpy_scalar,
    (_numpy_scalar, "numpy.core.multiarray.scalar"),  # as numpy 1 wrote it
]


def load_data_only(path: Path) -> Any:
    """What a file of `torch.save` holds, on the CPU; nothing in it is executed.

    Raises:
        ValueError: if the file holds anything but data.
    """
    try:
        with torch.serialization.safe_globals(_ALLOWED):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # torch's own words are many, and end in how to execute it all the same
        raise ValueError(
            f"{path} is refused: it holds objects or code, or is no file of torch.save; only plain values and "
            "tensors are read"
        ) from error


def read_reference_checkpoint(path: Path) -> ReferenceCheckpoint:
    """Read a full training checkpoint.

    Raises:
        ValueError: if the file is no such checkpoint, naming what is missing, or holds anything but data.
    """
    return reference_checkpoint(load_data_only(path), path)


def reference_checkpoint(content: dict[str, Any], path: Path) -> ReferenceCheckpoint:
    """A full training checkpoint from what its file holds; `path` is for errors."""
    missing = {"student", "teacher", "dino_loss", "epoch"} - set(content)
    if missing:
        raise ValueError(f"{path} is no DINO training checkpoint: it lacks {', '.join(sorted(missing))}")
    return ReferenceCheckpoint(
        student=network_names(content["student"]),
        teacher=network_names(content["teacher"]),
        center=content["dino_loss"]["center"],
        epoch=int(content["epoch"]),
    )
