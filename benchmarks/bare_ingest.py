"""What ingestion cannot do without, and nothing else; apart, since worker processes import it."""

import hashlib
import multiprocessing
from pathlib import Path

from dino_pipeline.dino.core.data.images import decode_rgb


def decode(paths: list[str]) -> None:
    """Read and decode, nothing else, in this process."""
    for path in paths:
        decode_rgb(Path(path).read_bytes())


def read_decode_and_hash(paths: list[str], num_processes: int) -> None:
    """What ingestion cannot do without, in its own way of starting processes."""
    with multiprocessing.get_context("forkserver").Pool(num_processes) as pool:
        for _ in pool.imap(_facts, paths, chunksize=256):
            pass
        pool.close()
        pool.join()


def _facts(path: str) -> tuple[tuple[int, ...], str]:
    data = Path(path).read_bytes()
    return decode_rgb(data).shape, hashlib.sha256(data).hexdigest()
