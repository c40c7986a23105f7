"""Checkpoints on disk."""

import os
import pickle
from pathlib import Path

import pytest
import torch

from dino_pipeline.dino.training.checkpoint import (
    DamagedCheckpointError,
    load_checkpoint,
    save_checkpoint,
)

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


def test_any_torch_opens_it(tmp_path: Path) -> None:
    save_checkpoint({"step": 3, "weights": torch.arange(4.0)}, tmp_path / "last.pt")
    opened = torch.load(tmp_path / "last.pt", weights_only=True)
    assert torch.equal(opened["weights"], torch.arange(4.0))


def test_every_flipped_bit_and_every_missing_byte_is_noticed(tmp_path: Path) -> None:
    save_checkpoint({"step": 3, "weights": torch.arange(4.0)}, tmp_path / "whole.pt")
    whole = (tmp_path / "whole.pt").read_bytes()
    damaged = tmp_path / "damaged.pt"
    for position in range(len(whole)):
        changed = bytearray(whole)
        changed[position] ^= 1 << position % 8
        for content in (bytes(changed), whole[:position]):
            damaged.write_bytes(content)
            with pytest.raises(DamagedCheckpointError, match=r"damaged\.pt is damaged: "):
                load_checkpoint(damaged, CPU)


def test_a_full_disk_leaves_the_last_checkpoint_and_nothing_else(small_disk: Path) -> None:
    last = small_disk / "last.pt"
    save_checkpoint({"step": 1}, last)
    with pytest.raises(OSError, match="No space left on device"):
        save_checkpoint({"step": 2, "weights": torch.zeros(1_000_000)}, last)
    assert load_checkpoint(last, CPU) == {"step": 1}
    assert list(small_disk.iterdir()) == [last]


class Payload:
    def __init__(self, command: str) -> None:
        self.command = command

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (self.command,)


def test_reading_executes_nothing(tmp_path: Path) -> None:
    harm = {"step": Payload(f"touch {tmp_path / 'executed'}")}
    save_checkpoint(harm, tmp_path / "last.pt")  # its checksum is right
    with pytest.raises(ValueError, match="is refused: it contains objects or code"):
        load_checkpoint(tmp_path / "last.pt", CPU)
    torch.save(harm, tmp_path / "last.pt")
    with pytest.raises(DamagedCheckpointError):
        load_checkpoint(tmp_path / "last.pt", CPU)
    assert not (tmp_path / "executed").exists()
