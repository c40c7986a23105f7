"""Workers that do not get on, or seem not to: the specification's text names which."""

import os
import signal
import sys
import time
from pathlib import Path

import torch
from torch.utils.data import DataLoader, Dataset

from dino_pipeline.dino import progress
from dino_pipeline.dino.core.data.manifest import read_image_bytes
from dino_pipeline.dino.core.distributed import barrier, join_group

SPEC = Path(sys.argv[1])
RANK = int(os.environ["RANK"])


class Stopped(Dataset[int]):
    """Its reader is stopped in the middle of an item."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> int:
        os.kill(os.getpid(), signal.SIGSTOP)
        return index


class NeverRead(Dataset[bytes]):
    """Its image lies on a drive that does not answer."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> bytes:
        return read_image_bytes(str(SPEC.with_name("image.jpg")), None, None, 1)


def main() -> None:
    """Do as the specification says."""
    case = SPEC.read_text()
    if case == "joining" and RANK == 1:
        os.kill(os.getpid(), signal.SIGSTOP)
    if case == "images":
        os.mkfifo(SPEC.with_name("image.jpg")) if RANK == 0 else time.sleep(1)
        dataset: Dataset[object] = [NeverRead(), Stopped(), NeverRead()][RANK]  # type: ignore[assignment]
        list(DataLoader(dataset, num_workers=1 if RANK < 2 else 0))
    join_group(torch.device("cpu"))
    if RANK == 1:
        for _ in range(80):
            time.sleep(0.1)
            progress.beat()
    barrier()


if __name__ == "__main__":
    main()
