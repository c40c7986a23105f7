"""Two processes read the rows of one mapped file, of which nothing stays."""

import multiprocessing
import os
import shutil
import sys
from multiprocessing.queues import Queue
from pathlib import Path

import numpy as np
import pytest

from dino_pipeline.dino.core.data.manifest import read_manifest, write_manifest
from dino_pipeline.dino.core.distributed import join_group, leave_group
from dino_pipeline.dino.launching import shared_manifest as module
from dino_pipeline.dino.launching.shared_manifest import share_rows, shared_manifest
from tests.ports import free_port


def read(rank: int, port: int, file: Path, folder: Path, found: "Queue[tuple[bool, str]]") -> None:
    import torch

    os.environ |= {
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        "WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
    }
    join_group(torch.device("cpu"))
    images = shared_manifest(file, file.parent, folder)
    plain = read_manifest(file, file.parent)
    is_equal = (
        images.table.equals(plain.table)
        and images.row_ids.tolist() == plain.row_ids.tolist()
        and images.places.tolist() == plain.places.tolist()
        and images.read_verified(3) == plain.read_verified(3)
    )
    address = images.table["sha256"].chunk(0).buffers()[2].address
    found.put((is_equal, mapping_of(address)))
    leave_group()


def mapping_of(address: int) -> str:
    """The file that a process has mapped at an address; empty for memory of its own."""
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, _, _, _, _, *name = line.split(maxsplit=5)
        first, last = (int(end, 16) for end in span.split("-"))
        if first <= address < last:
            return " ".join(name)
    raise AssertionError("the address is not mapped")


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no /proc/self/maps")
def test_two_processes_map_one_file_of_rows(tiny_manifest: Path, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    found: Queue[tuple[bool, str]] = context.Queue()
    folder = tmp_path / "training"
    port = free_port()
    processes = [
        context.Process(target=read, args=(rank, port, tiny_manifest, folder, found)) for rank in range(2)
    ]
    for process in processes:
        process.start()
    answers = [found.get(timeout=120) for _ in processes]
    for process in processes:
        process.join()
    assert [is_equal for is_equal, _ in answers] == [True, True]
    (mapped,) = {name for _, name in answers}
    assert mapped.startswith(str(folder))
    assert mapped.endswith(".arrow (deleted)")
    assert list(folder.iterdir()) == []


def test_rows_that_were_shared_already_are_not_read_again(
    tiny_manifest: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = read_manifest(tiny_manifest, tiny_manifest.parent)
    share_rows(plain, tiny_manifest, tmp_path)
    monkeypatch.setattr(module, "read_manifest", None)
    assert shared_manifest(tiny_manifest, tiny_manifest.parent, tmp_path).table.equals(plain.table)
    assert list(tmp_path.iterdir()) == []


def test_rows_of_another_manifest_are_not_taken_for_its_own(tiny_manifest: Path, tmp_path: Path) -> None:
    file = tmp_path / "manifest.parquet"
    shutil.copy(tiny_manifest, file)
    images = read_manifest(file, tiny_manifest.parent)
    share_rows(images, file, tmp_path)  # and the training was killed
    write_manifest(images.take(np.arange(50)), file)
    assert len(shared_manifest(file, tiny_manifest.parent, tmp_path)) == 50
    assert list(tmp_path.iterdir()) == [file]


def test_a_missing_manifest_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="run the ingest pipeline first"):
        shared_manifest(tmp_path / "absent.parquet", tmp_path, tmp_path / "training")
