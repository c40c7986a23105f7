"""Device and number of threads for evaluations."""

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from dino_pipeline.dino.launching.cores import num_cores


def device() -> torch.device:
    """The first visible GPU, or the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


@contextmanager
def fixed_threads(num_threads: int | None) -> Iterator[None]:
    """Use this many CPU threads inside the block, because sums in another order round differently.

    None means torch's number, but no more than this process has cores.
    """
    before = torch.get_num_threads()
    torch.set_num_threads(num_threads or min(before, num_cores()))
    try:
        yield
    finally:
        torch.set_num_threads(before)
