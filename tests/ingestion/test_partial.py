"""What a killed process left half written is removed by the next one, what a living one writes is not."""

import os
import subprocess
import sys
from pathlib import Path

from dino_pipeline.ingestion.partial import partial_path


def test_remains_of_dead_processes_are_removed(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (tmp_path / f".x.tar.partial-{ended.pid}").write_bytes(b"half")
    (tmp_path / f".photographs.partial-{ended.pid}").mkdir()
    (tmp_path / f".x.tar.partial-{os.getppid()}").write_bytes(b"being written")
    assert partial_path(tmp_path / "x.tar") == tmp_path / f".x.tar.partial-{os.getpid()}"
    partial_path(tmp_path / "photographs")
    assert [path.name for path in tmp_path.iterdir()] == [f".x.tar.partial-{os.getppid()}"]
