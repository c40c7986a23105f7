"""Embeddings of any number of images in one Parquet file, which appears whole or not at all."""

import csv
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from dino_pipeline.dino.evaluation.features import Matrix
from dino_pipeline.dino.partial import partial_path

ROWS_AT_ONCE = 4096  # in memory, and in a row group


class EmbeddingsFile:
    """Takes rows and writes them group by group."""

    def __init__(self, path: Path, num_dimensions: int, metadata: Mapping[str, str]) -> None:
        self._num_dimensions = num_dimensions
        self._schema = pa.schema(
            [
                ("path", pa.string()),
                ("sha256", pa.string()),
                ("embedding", pa.list_(pa.float32(), num_dimensions)),
            ],
            metadata=dict(metadata),
        )
        self._writer = pq.ParquetWriter(path, self._schema, compression="zstd")
        self._rows: list[tuple[str, str, Matrix]] = []
        self.num_rows = 0

    def add(self, path: str, sha256: str, embedding: Matrix) -> None:
        """Add an image; float32 [dimensions]."""
        self._rows.append((path, sha256, embedding))
        self.num_rows += 1
        if len(self._rows) == ROWS_AT_ONCE:
            self._write_group()

    def close(self) -> None:
        """Write what is left."""
        if self._rows:
            self._write_group()
        self._writer.close()

    def _write_group(self) -> None:
        paths, hashes, embeddings = zip(*self._rows, strict=True)
        values = pa.FixedSizeListArray.from_arrays(
            pa.array(np.concatenate(embeddings), pa.float32()), self._num_dimensions
        )
        columns = [pa.array(paths, pa.string()), pa.array(hashes, pa.string()), values]
        self._writer.write_table(pa.Table.from_arrays(columns, schema=self._schema))
        self._rows.clear()


@contextmanager
def whole_or_absent(path: Path) -> Iterator[Path]:
    """A name to write to, which becomes `path` when the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = partial_path(path)
    try:
        yield unfinished
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def write_left_out(path: Path, left_out: list[tuple[str, str]]) -> None:
    """Which files have no embedding, and why: columns path, problem."""
    with whole_or_absent(path) as unfinished, unfinished.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["path", "problem"])
        writer.writerows(left_out)
