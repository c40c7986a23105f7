"""What a killed process left half written is removed by the next one, what a living one writes is not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dino_pipeline.dino.partial import partial_path, written_whole


def test_remains_of_dead_processes_are_removed(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (tmp_path / f".partial-{ended.pid}-x.tar").write_bytes(b"half")
    (tmp_path / f".partial-{ended.pid}-photographs").mkdir()
    (tmp_path / f".partial-{os.getppid()}-x.tar").write_bytes(b"being written")
    assert partial_path(tmp_path / "x.tar") == tmp_path / f".partial-{os.getpid()}-x.tar"
    partial_path(tmp_path / "photographs")
    assert [path.name for path in tmp_path.iterdir()] == [f".partial-{os.getppid()}-x.tar"]


def test_a_file_is_the_old_one_until_it_is_the_new_one(tmp_path: Path) -> None:
    file = tmp_path / "a [b].csv"
    with written_whole(file) as partial:
        partial.write_text("first")
        assert not file.exists()
        assert partial.suffix == ".csv"
    with pytest.raises(FileNotFoundError), written_whole(file) as partial:
        partial.write_text("half of the sec") and (tmp_path / "no such file").read_text()
    assert file.read_text() == "first"
    assert list(tmp_path.iterdir()) == [file]
