"""Open a file of weights by its content, whatever its suffix, without executing anything from it.

Formats: torch.save (zip and older), safetensors, a transformers folder, and an index of several such files.
"""

import argparse
import json
import pickle
import re
import zipfile
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

# Files of a transformers folder, best first.
_OF_TRANSFORMERS = (
    "model.safetensors",
    "model.safetensors.index.json",
    "pytorch_model.bin",
    "pytorch_model.bin.index.json",
)
WEIGHT_FILES = frozenset({".pth", ".pt", ".bin", ".ckpt", ".safetensors", ".tar", ".pyth", ".th"})
_numpy_scalar = type(np.float64(0.0)).__reduce__(np.float64(0.0))[0]  # rebuilds a pickled numpy scalar

# Besides tensors, the files contain a Namespace of arguments and numpy scalars. Only these are rebuilt.
_ALLOWED: list[Any] = [
    argparse.Namespace,
    defaultdict,
    np.dtype,
    np.ndarray,
    *{type(np.dtype(kind)) for kind in (np.float64, np.float32, np.int64, np.int32, np.bool_)},
    _numpy_scalar,
    (_numpy_scalar, "numpy.core.multiarray.scalar"),  # the name in files written by numpy 1
]
# Classes of settings that trainers store beside the weights. Each is read as a `StoredSettings`, without behaviour.
_SETTINGS = re.compile(
    r"(omegaconf|yacs|easydict|addict|mmengine|mmcv|pathlib|typing|enum|datetime|pytorch_lightning|lightning|"
    r"lightning_fabric|lightning_utilities|solo|lightly|lightly_train|timm|transformers|dinov2|dinov3|__main__)\..+"
    r"|builtins\.(dict|list|int|float|str|bool|tuple|set)"
)
_MODULE = re.compile(r"torch\.nn\.modules\..+|torch\.nn\.parallel\..+|torch\.fx\..+")
_HEADS = {
    b"version https://git-lfs": "is a pointer of Git LFS, not the file: run `git lfs pull` where it was cloned",
    b"<": "is a web page, not weights: the download gave a page, perhaps a login; download the file itself",
    b"\x89HDF": "is an HDF5 file of Keras: export the weights to .safetensors",
    b"\x1f\x8b": "is compressed by gzip: unpack it first (gunzip)",
    b"\x28\xb5\x2f\xfd": "is compressed by zstd: unpack it first (unzstd)",
    b"GGUF": "is a GGUF file, not the weights of an image backbone",
    b"\x93NUMPY": "is a numpy array, not weights by name",
}
_AS_STATE_DICT = (
    "in the program that wrote it, run torch.save(model.state_dict(), 'weights.pth'), and give that file"
)


class StoredSettings:
    """The place of an object that a trainer stored beside its weights. It keeps nothing and does nothing."""

    def __new__(cls, *_: Any) -> "StoredSettings":
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        """Forget the object's attributes."""


def open_weights(path: Path) -> Any:
    """Load a file, or a folder that transformers wrote, on the CPU.

    Returns:
        What the file contains: mostly nested mappings of tensors.

    Raises:
        ValueError: this is no readable file of weights; the message is one line that says what it is and what to do.
    """
    if not path.exists():
        raise ValueError(_missing(path))
    file = file_of_folder(path) if path.is_dir() else path
    if file.name.endswith(".index.json"):
        return _sharded(file)
    with file.open("rb") as opened:
        head = opened.read(512)
    if not head:
        raise ValueError(f"{file} is empty (0 bytes): copy or download it again")
    for start, problem in _HEADS.items():
        if head.lstrip().startswith(start):
            raise ValueError(f"{file} {problem}")
    return _safetensors(file) if _is_safetensors(file, head) else load_data_only(file)


def file_of_folder(folder: Path) -> Path:
    """The file of weights in a folder that transformers wrote.

    Raises:
        ValueError: the folder contains something else; the message says what to give.
    """
    found = next((folder / name for name in _OF_TRANSFORMERS if (folder / name).is_file()), None)
    if found:
        return found
    if (folder / ".metadata").is_file() or any(folder.glob("*.distcp")):
        raise ValueError(
            f"{folder} is a distributed checkpoint: convert it with `python -m "
            f"torch.distributed.checkpoint.format_utils dcp_to_torch {folder} weights.pth`, and give weights.pth"
        )
    files = sorted(file.name for file in folder.iterdir() if file.suffix in WEIGHT_FILES)
    contents = f"give one of its files: {', '.join(files[:5])}" if files else "it contains no file of weights"
    raise ValueError(
        f"{folder} is a folder, but neither a model of dino-pipeline nor of transformers: {contents}"
    )


def config_beside(path: Path, name: str = "config.json") -> dict[str, Any]:
    """The JSON file that transformers wrote into the folder of the weights; empty if there is none."""
    file = (path if path.is_dir() else path.parent) / name
    try:
        values = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    except ValueError as error:
        raise ValueError(f"{file} is not JSON: {error}") from error
    return values if isinstance(values, dict) else {}


def load_data_only(path: Path) -> Any:
    """Load a file written by `torch.save`, on the CPU, without executing anything from it.

    Raises:
        ValueError: the file contains code, or is damaged.
    """
    settings = _settings_in(path)
    try:
        with torch.serialization.safe_globals([*_ALLOWED, *((StoredSettings, name) for name in settings)]):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        # torch's own message is long, and ends with advice to execute the file anyway
        named = re.search(r"GLOBAL (\S+)", str(error))
        if "rank_" in path.name or "ShardedTensor" in str(error):
            raise ValueError(
                f"{path} is one process's part of a sharded checkpoint: give the whole teacher, such as "
                "teacher_checkpoint.pth of DINOv2's eval folder"
            ) from error
        raise ValueError(
            f"{path} is refused: it contains objects or code{f' ({named[1]})' if named else ''}, or was not written "
            f"by torch.save; only plain values and tensors are read: {_AS_STATE_DICT}"
        ) from error
    except (RuntimeError, OSError, EOFError, ValueError, LookupError, TypeError, AttributeError) as error:
        if isinstance(error, PermissionError):
            raise
        raise ValueError(
            f"{path} cannot be read whole ({' '.join(str(error).split())[:80]}): it is truncated or damaged; copy or "
            "download it again"
        ) from error


def _settings_in(path: Path) -> list[str]:
    """Names of the classes in a file that are read as `StoredSettings`.

    Raises:
        ValueError: the file is a program, a whole module or another archive.
    """
    if not zipfile.is_zipfile(path):
        return []
    with zipfile.ZipFile(path) as archive:
        members = archive.namelist()
    if any(name.endswith(".npy") for name in members):
        raise ValueError(
            f"{path} is an archive of numpy arrays: save its weights as .safetensors under timm's names"
        )
    if not any(name.endswith("data.pkl") for name in members):
        raise ValueError(
            f"{path} is an archive, but not of torch.save: unpack it, and give the file of weights"
        )
    if any("/code/" in name for name in members):
        raise ValueError(f"{path} is a TorchScript program, not weights: {_AS_STATE_DICT}")
    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except (RuntimeError, EOFError, pickle.UnpicklingError, ValueError) as error:
        raise ValueError(f"{path} is truncated or damaged: copy or download it again") from error
    if any(_MODULE.fullmatch(name) for name in names):
        raise ValueError(f"{path} contains a whole network with its code, not its weights: {_AS_STATE_DICT}")
    return [name for name in names if _SETTINGS.fullmatch(name)]


def _is_safetensors(file: Path, head: bytes) -> bool:
    length = int.from_bytes(head[:8], "little")
    return file.suffix == ".safetensors" or (head[8:9] == b"{" and length <= file.stat().st_size)


def _safetensors(file: Path) -> dict[str, torch.Tensor]:
    try:
        return load_file(file)
    except (SafetensorError, ValueError, RuntimeError) as error:
        raise ValueError(
            f"{file} is not a whole .safetensors file ({' '.join(str(error).split())}): it is truncated, damaged or "
            "another kind of file; copy or download it again"
        ) from error


def _sharded(index: Path) -> dict[str, torch.Tensor]:
    names = json.loads(index.read_text(encoding="utf-8")).get("weight_map")
    if not isinstance(names, Mapping):
        raise ValueError(f"{index} has no weight_map, so it is not an index of weights")
    files = sorted(set(names.values()))
    missing = [name for name in files if not (index.parent / name).is_file()]
    if missing:
        raise ValueError(
            f"{index} lists {len(files)} files, but {', '.join(missing[:5])} are missing beside it"
        )
    merged: dict[str, torch.Tensor] = {}
    for name in files:
        merged |= open_weights(index.parent / name)
    return merged


def _missing(path: Path) -> str:
    if path.is_symlink():
        return f"{path} is a link to a file that does not exist"
    there = sorted(file.name for file in path.parent.glob("*") if file.suffix in WEIGHT_FILES)
    return f"{path} does not exist: give a file of weights, or the folder of a model" + (
        f"; there are {', '.join(there[:5])}" if there else ""
    )
