"""Files that hold no weights, or not whole ones, are refused in one line; nothing in them is executed."""

import argparse
import os
import pathlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from omegaconf import OmegaConf
from safetensors.torch import save_file
from torch import nn

from dino_pipeline.dino.weights.weight_files import load_data_only, open_weights

STATE = {"a": torch.arange(4096.0)}


class Payload:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self.command,)


def test_pickled_code_is_refused_and_not_run(tmp_path: Path) -> None:
    witness = tmp_path / "executed"
    torch.save({"student": {}, "args": Payload(f"touch {witness}")}, tmp_path / "evil.pth")
    with pytest.raises(
        ValueError, match=r"evil\.pth is refused: it contains objects or code \(\w+\.system\)"
    ):
        load_data_only(tmp_path / "evil.pth")
    assert not witness.exists()


@pytest.mark.parametrize(
    "settings",
    [
        argparse.Namespace(lr=1.0, size=np.float64(2.0)),
        OmegaConf.create({"model": {"name": "vit", "sizes": [1, 2]}}),
        {"folder": pathlib.PurePosixPath("/a")},
        np.int64(3),
    ],
    ids=["Namespace", "OmegaConf", "path", "numpy"],
)
def test_settings_beside_the_weights_are_no_obstacle(settings: Any, tmp_path: Path) -> None:
    torch.save({"state_dict": STATE, "config": settings}, tmp_path / "file.ckpt")
    assert torch.equal(open_weights(tmp_path / "file.ckpt")["state_dict"]["a"], STATE["a"])


def test_the_content_counts_not_the_suffix(tmp_path: Path) -> None:
    save_file(STATE, tmp_path / "weights.bin")
    torch.save(STATE, tmp_path / "weights")
    torch.save(STATE, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    for name in ("weights.bin", "weights", "old.pth"):
        assert torch.equal(open_weights(tmp_path / name)["a"], STATE["a"])


BYTES = {
    "empty.pth": (b"", r"is empty \(0 bytes\)"),
    "pointer.pth": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 9\n",
        "pointer of Git LFS",
    ),
    "page.pth": (b"\n<!DOCTYPE html><html></html>", "is a web page"),
    "page.safetensors": (b"<html></html>", "is a web page"),
    "weights.pth.gz": (b"\x1f\x8b\x08\x00", "compressed by gzip"),
    "keras.bin": (b"\x89HDF\r\n\x1a\n", "HDF5 file of Keras"),
    "text.pth": (b"not weights at all", "refused|cannot be read whole"),
    "short.safetensors": (b"\x10", r"not a whole \.safetensors file"),
}


@pytest.mark.parametrize("name", BYTES)
def test_a_file_of_something_else_is_named_in_one_line(name: str, tmp_path: Path) -> None:
    content, expected = BYTES[name]
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=expected) as caught:
        open_weights(tmp_path / name)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


@pytest.mark.parametrize("name", ["new.pth", "old.pth", "file.safetensors"])
@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
def test_a_truncated_file_is_named_in_one_line(name: str, share: float, tmp_path: Path) -> None:
    file = tmp_path / name
    if name == "file.safetensors":
        save_file(STATE, file)
    else:
        torch.save(STATE, file, _use_new_zipfile_serialization=name == "new.pth")
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(ValueError, match=r"truncated or damaged|truncated, damaged|refused") as caught:
        open_weights(file)
    assert "\n" not in str(caught.value)


def test_programs_whole_networks_and_other_archives_say_how_to_convert_them(tmp_path: Path) -> None:
    torch.jit.save(torch.jit.trace(nn.Linear(2, 2), torch.zeros(1, 2)), tmp_path / "script.pt")
    torch.save(nn.Linear(2, 2), tmp_path / "network.pth")
    np.savez(tmp_path / "arrays.npz", a=np.zeros(3))
    for name, expected in {
        "script.pt": r"TorchScript program.*torch\.save\(model\.state_dict\(\), 'weights\.pth'\)",
        "network.pth": r"whole network with its code.*torch\.save\(model\.state_dict\(\), 'weights\.pth'\)",
        "arrays.npz": "archive of numpy arrays",
    }.items():
        with pytest.raises(ValueError, match=expected):
            open_weights(tmp_path / name)


def test_folders_and_missing_files_say_what_to_give(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "there.pth")
    with pytest.raises(
        ValueError, match=r"missing\.pth does not exist: give a file .*; there are there\.pth"
    ):
        open_weights(tmp_path / "missing.pth")
    with pytest.raises(ValueError, match=r"is a folder, but neither .*: give one of its files: there\.pth"):
        open_weights(tmp_path)
    (tmp_path / "link.pth").symlink_to(tmp_path / "gone.pth")
    with pytest.raises(ValueError, match="is a link to a file that does not exist"):
        open_weights(tmp_path / "link.pth")
    (tmp_path / "sharded").mkdir()
    (tmp_path / "sharded" / ".metadata").touch()
    with pytest.raises(ValueError, match=r"distributed checkpoint: convert it with .*dcp_to_torch"):
        open_weights(tmp_path / "sharded")
