"""One copy of a manifest's rows for all processes of a machine."""

import socket
from pathlib import Path

import numpy as np
import pyarrow as pa

from dino_pipeline.dino.core.data.manifest import Manifest, read_manifest
from dino_pipeline.dino.core.distributed import barrier, local_rank, world_size


def shared_manifest(file: Path, root: Path, folder: Path) -> Manifest:
    """Read a manifest so that its rows lie in memory once a machine: one process reads, and all map what it wrote.

    Every process must call this.

    Args:
        folder: takes the mapped file, which is gone as soon as all processes have it open.

    Raises:
        ValueError: see `read_manifest`.
    """
    if world_size() == 1:
        return read_manifest(file, root)  # loader workers share it by fork
    # Named after the machine: a network's file system lets a machine read on in a file that it has removed itself.
    mapped = folder / f".manifest-{socket.gethostname()}.arrow"
    if local_rank() == 0:
        folder.mkdir(parents=True, exist_ok=True)
        table = read_manifest(file, root).table
        with pa.OSFile(str(mapped), "wb") as opened, pa.ipc.new_file(opened, table.schema) as writer:
            writer.write_table(table)
        del table
        pa.default_memory_pool().release_unused()
    barrier()
    table = pa.ipc.open_file(pa.memory_map(str(mapped))).read_all()
    barrier()
    if local_rank() == 0:
        mapped.unlink()
    return Manifest(table, root, np.arange(table.num_rows, dtype=np.int64))
