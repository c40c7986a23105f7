"""One copy of a manifest's rows for all processes of a machine: a file that each of them maps into its memory."""

import socket
from pathlib import Path

import pyarrow as pa

from dino_pipeline.dino.core.data.manifest import SCHEMA, Manifest, read_manifest
from dino_pipeline.dino.core.distributed import barrier, local_rank
from dino_pipeline.dino.partial import partial_path


def share_rows(images: Manifest, file: Path, folder: Path) -> None:
    """Write a manifest's rows as they lie in memory, for `shared_manifest`. Whoever has read them already saves time.

    Args:
        images: the whole manifest that `file` holds.
        folder: takes the mapped file, in place of earlier ones.
    """
    mapped = _mapped(file, folder)
    for earlier in folder.glob(f".manifest-{socket.gethostname()}-*.arrow"):
        earlier.unlink()
    partial = partial_path(mapped)
    table = images.table
    for name, numbers in (("row_id", images.row_ids), ("place", images.places)):
        table = table.append_column(name, pa.array(numbers))
    # Whole columns in one piece: pyarrow would join pieces again for every `take`.
    with pa.OSFile(str(partial), "wb") as opened, pa.ipc.new_file(opened, table.schema) as writer:
        writer.write_table(table.combine_chunks())
    partial.replace(mapped)
    pa.default_memory_pool().release_unused()


def shared_manifest(file: Path, root: Path, folder: Path) -> Manifest:
    """Read a manifest so that its rows lie in memory once a machine. Every process must call this.

    Args:
        file: the Parquet file. If its rows are not shared yet, one process reads it.
        folder: takes the mapped file, which is gone as soon as all processes have it open.

    Raises:
        ValueError: see `read_manifest`.
    """
    if local_rank() == 0 and not (file.is_file() and _mapped(file, folder).is_file()):
        folder.mkdir(parents=True, exist_ok=True)
        share_rows(read_manifest(file, root), file, folder)
    barrier()
    mapped = _mapped(file, folder)
    rows = pa.ipc.open_file(pa.memory_map(str(mapped))).get_batch(0)
    barrier()
    if local_rank() == 0:
        mapped.unlink()
    row_ids, places = (rows[name].to_numpy(zero_copy_only=True) for name in ("row_id", "place"))
    return Manifest(pa.Table.from_batches([rows.select(SCHEMA.names)]), root, row_ids, places)


def _mapped(file: Path, folder: Path) -> Path:
    """Named after the machine, which may read on in what it has removed, and after the manifest's size and time."""
    facts = file.stat()
    return folder / f".manifest-{socket.gethostname()}-{facts.st_size}-{facts.st_mtime_ns}.arrow"
