"""Open every image once and record its upright size and the hash of its bytes, or the reason to refuse it."""

import hashlib
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from typing import NamedTuple

from dino_pipeline.dino.core.data.images import UnreadableImageError
from dino_pipeline.dino.progress import Progress
from dino_pipeline.ingestion.listing import SourceFile
from dino_pipeline.ingestion.reading import Limits, decode, read_bytes

_CHUNK = 256  # files a task: large enough that passing them costs nothing


class Facts(NamedTuple):
    """Size in px and hash of an image file, or the reason to refuse it."""

    width: int
    height: int
    sha256: str
    reason: str


def inspect(file: SourceFile, limits: Limits) -> Facts:
    """Read and decode one file. A damaged file gives a reason, never an exception."""
    try:
        data = read_bytes(file, limits)
        pixels = decode(data, limits)
    except UnreadableImageError as error:
        return _refused(str(error))
    height, width, _ = pixels.shape
    return Facts(width, height, hashlib.sha256(data).hexdigest(), "")


def inspect_all(files: Sequence[SourceFile], limits: Limits, *, num_workers: int) -> Iterator[Facts]:
    """Facts of each file in order, from `num_workers` processes. This process does short lists, and all with 0."""
    with Progress("ingest", total=len(files), unit="files", delay=1, leave=True) as progress:
        if num_workers == 0 or len(files) <= 2 * _CHUNK:
            for file in files:
                yield inspect(file, limits)
                progress.update()
            return
        chunks = [files[start : start + _CHUNK] for start in range(0, len(files), _CHUNK)]
        # No fork: it would copy the parent's threads in the middle of their work.
        executor = ProcessPoolExecutor(
            num_workers,
            mp_context=multiprocessing.get_context("forkserver"),
            initializer=_obey_parent,
        )
        try:
            for facts in executor.map(partial(_inspect_chunk, limits=limits), chunks):
                yield from facts
                progress.update(len(facts))
        finally:
            executor.shutdown(cancel_futures=True)


def _inspect_chunk(files: Sequence[SourceFile], limits: Limits) -> list[Facts]:
    return [inspect(file, limits) for file in files]


def _obey_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent handles Ctrl-C
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    # killed: no process is left to read the results, so the executor's queue would block for ever
    os._exit(1)


def _refused(reason: str) -> Facts:
    return Facts(0, 0, "", reason)
