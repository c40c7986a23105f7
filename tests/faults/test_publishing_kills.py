"""A product that is being replaced when its process is killed is the old one, the new one or absent, never half."""

import random
import signal
import sys
import time
from pathlib import Path

import pytest

from .conftest import Record
from .injection import Kill, Started, hashes

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc")

PUBLISHER = """
import sys
from pathlib import Path
from dino_pipeline.project.datasets import FolderDataset
target = FolderDataset(filepath=sys.argv[1], marker="model.json")
Path(sys.argv[2]).touch()
for source in sys.argv[3].split(",") * int(sys.argv[4]):
    target.save(Path(source))
"""


def product(folder: Path, size: int) -> Path:
    folder.mkdir()
    for name in ("teacher.safetensors", "student.safetensors"):
        (folder / name).write_bytes(random.Random(size).randbytes(size))
    (folder / "model.json").write_text(f'{{"size": {size}}}')
    return folder


@pytest.mark.parametrize("seed", [0, *(pytest.param(seed, marks=pytest.mark.full) for seed in range(1, 8))])
def test_a_killed_publisher_leaves_a_whole_product_or_none(tmp_path: Path, record: Record, seed: int) -> None:
    seeded = random.Random(seed)
    sources = [product(tmp_path / "first", 1_000_000), product(tmp_path / "second", 2_000_000)]
    whole = [hashes(sorted(source.iterdir()), root=source) for source in sources]
    target, ready = tmp_path / "out" / "model", tmp_path / "ready"

    def publish(times: int) -> Started:
        names = ",".join(map(str, sources))
        command = [sys.executable, "-c", PUBLISHER, str(target), str(ready), names, str(times)]
        return Started(command, folder=tmp_path, log=tmp_path / "publisher.log")

    kill = Kill("parent", seeded.choice([signal.SIGKILL, signal.SIGTERM, signal.SIGINT]), delay=0.05)
    started = publish(100_000)
    seconds = seeded.uniform(0, 0.3)
    outcome = started.strike(
        kill, lambda: ready.is_file() and target.is_dir() and time.sleep(seconds) is None
    )
    assert outcome == "stopped", started.words()
    found = hashes(sorted(target.iterdir()), root=target) if target.is_dir() else None
    assert found in (None, *whole)
    again = publish(1)
    assert again.end() == 0, again.words()
    assert hashes(sorted(target.iterdir()), root=target) == whole[-1]
    assert [path.name for path in target.parent.iterdir()] == ["model"], "remains are removed"
    record([{"during": "publishing", "kill": kill, "outcome": outcome}])
