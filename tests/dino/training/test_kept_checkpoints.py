"""Which checkpoints stay, and which one a training goes on from."""

import logging
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.training.checkpoint import DamagedCheckpointError
from dino_pipeline.dino.training.config import MonitoringConfig
from dino_pipeline.dino.training.kept_checkpoints import keep_checkpoint, load_newest
from tests.dino.conftest import MONITORING

CPU = torch.device("cpu")
KEEP_TWO = replace(from_dict(MonitoringConfig, MONITORING), checkpoint_every_steps=10)


def keep(folder: Path, *steps: int, monitoring: MonitoringConfig = KEEP_TWO) -> None:
    for step in steps:
        keep_checkpoint({"step": step}, folder, step=step, monitoring=monitoring)


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def flip_a_bit(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.unlink()  # a damaged block is one file's, and last.pt shares its blocks with the newest
    file.write_bytes(content)


def test_the_last_ones_stay_and_every_so_manieth_for_good(tmp_path: Path) -> None:
    keep(tmp_path, 10, 20, 30, 40, 50, monitoring=replace(KEEP_TWO, keep_checkpoint_every_steps=20))
    assert names(tmp_path) == ["last.pt", "step-00000020.pt", "step-00000040.pt", "step-00000050.pt"]
    assert (tmp_path / "last.pt").samefile(tmp_path / "step-00000050.pt"), "no second copy on disk"


def test_what_is_kept_for_good_must_be_written_at_all() -> None:
    with pytest.raises(ValueError, match="set it to a multiple of 100"):
        from_dict(MonitoringConfig, MONITORING | {"keep_checkpoint_every_steps": 150})


@pytest.mark.parametrize("harm", ["truncated", "flipped", "empty", "gone"])
def test_a_damaged_last_checkpoint_gives_way_to_the_one_before_it_and_says_so(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, harm: str
) -> None:
    keep(tmp_path, 10, 20)
    last, kept = tmp_path / "last.pt", tmp_path / "step-00000020.pt"
    if harm == "truncated":
        with last.open("r+b") as file:
            file.truncate(300)
    elif harm == "flipped":
        for file_name in (last, kept):
            flip_a_bit(file_name)
    elif harm == "empty":
        with last.open("r+b") as file:
            file.truncate(0)
    else:
        last.unlink()
    with caplog.at_level(logging.WARNING):
        newest = load_newest(tmp_path, CPU)
    if harm == "gone":
        assert newest == {"step": 20}
    else:
        assert newest == {"step": 10}
        assert "last.pt is damaged" in caplog.text
        assert "using the checkpoint before it" in caplog.text


def test_damage_everywhere_is_an_error_and_nothing_at_all_is_a_beginning(tmp_path: Path) -> None:
    assert load_newest(tmp_path, CPU) is None
    keep(tmp_path, 10, 20)
    for file in tmp_path.iterdir():
        flip_a_bit(file)
    with pytest.raises(DamagedCheckpointError, match=r"every checkpoint in .* is damaged: restore one"):
        load_newest(tmp_path, CPU)
