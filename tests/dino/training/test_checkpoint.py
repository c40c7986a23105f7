"""Checkpoints on disk."""

import os
import pickle
from pathlib import Path

import pytest
import torch

from dino_pipeline.dino.training.checkpoint import load_checkpoint, save_checkpoint

CPU = torch.device("cpu")


def test_equal_states_are_equal_bytes_under_any_name(tmp_path: Path) -> None:
    state = {"step": 3, "weights": {"a": torch.arange(4.0)}}
    save_checkpoint(state, tmp_path / "one.pt")
    save_checkpoint(state, tmp_path / "other name.pt")
    assert (tmp_path / "one.pt").read_bytes() == (tmp_path / "other name.pt").read_bytes()
    assert torch.equal(load_checkpoint(tmp_path / "one.pt", CPU)["weights"]["a"], torch.arange(4.0))


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path) -> None:
    save_checkpoint({"step": 1}, tmp_path / "last.pt")
    with pytest.raises((AttributeError, pickle.PicklingError)):
        save_checkpoint({"step": 2, "cannot be pickled": lambda: None}, tmp_path / "last.pt")
    assert load_checkpoint(tmp_path / "last.pt", CPU) == {"step": 1}


class Payload:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self.command,)


def test_reading_executes_nothing(tmp_path: Path) -> None:
    torch.save({"step": Payload(f"touch {tmp_path / 'executed'}")}, tmp_path / "last.pt")
    with pytest.raises(pickle.UnpicklingError):
        load_checkpoint(tmp_path / "last.pt", CPU)
    assert not (tmp_path / "executed").exists()
