"""Stored features: one row per image, in Parquet, with the manifest's row ids."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

Matrix = NDArray[np.float32]


@dataclass(frozen=True)
class Features:
    """Features of images of one or more splits.

    Attributes:
        row_ids: int64 [images], rows of the manifest file.
        splits: [images].
        labels: [images] class names; None for an image without a label.
        embedding: float32 [images, dimensions], not normalised; input of k-NN.
        linear: float32 [images, dimensions], input of the linear probe; None: the embedding.
    """

    row_ids: NDArray[np.int64]
    splits: NDArray[np.str_]
    labels: NDArray[np.object_]
    embedding: Matrix
    linear: Matrix | None

    def __len__(self) -> int:
        return len(self.row_ids)

    @property
    def for_linear_probe(self) -> Matrix:
        """Input of the linear probe."""
        return self.embedding if self.linear is None else self.linear

    def split(self, name: str) -> "Features":
        """The images of one split."""
        rows = np.flatnonzero(self.splits == name)
        return Features(
            row_ids=self.row_ids[rows],
            splits=self.splits[rows],
            labels=self.labels[rows],
            embedding=self.embedding[rows],
            linear=None if self.linear is None else self.linear[rows],
        )


def no_features() -> Features:
    """Empty features, for a network that a model does not have."""
    return Features(
        row_ids=np.empty(0, dtype=np.int64),
        splits=np.empty(0, dtype=np.str_),
        labels=np.empty(0, dtype=np.object_),
        embedding=np.empty((0, 1), dtype=np.float32),
        linear=None,
    )


def join_features(parts: list[Features]) -> Features:
    """Concatenate features of disjoint images, in the order of the manifest's rows."""
    order = np.argsort(np.concatenate([part.row_ids for part in parts]))
    linear = [part.linear for part in parts if part.linear is not None]
    return Features(
        row_ids=np.concatenate([part.row_ids for part in parts])[order],
        splits=np.concatenate([part.splits for part in parts])[order],
        labels=np.concatenate([part.labels for part in parts])[order],
        embedding=np.concatenate([part.embedding for part in parts])[order],
        linear=np.concatenate(linear)[order] if linear else None,
    )


def write_features(path: Path, features: Features) -> None:
    """Write columns row_id, split, label, embedding and, if it differs, linear. Equal features give equal bytes."""
    columns = {
        "row_id": pa.array(features.row_ids),
        "split": pa.array(features.splits.tolist(), pa.string()),
        "label": pa.array(features.labels.tolist(), pa.string()),
        "embedding": _to_lists(features.embedding),
    }
    if features.linear is not None:
        columns["linear"] = _to_lists(features.linear)
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.table(columns), path, compression="zstd", row_group_size=16384)


def read_features(path: Path) -> Features:
    """Read what `write_features` wrote."""
    table = pq.read_table(path)
    has_linear = "linear" in table.column_names
    return Features(
        row_ids=table["row_id"].to_numpy(),
        splits=np.array(table["split"].to_pylist(), dtype=np.str_),
        labels=np.array(table["label"].to_pylist(), dtype=np.object_),
        embedding=_to_matrix(table["embedding"]),
        linear=_to_matrix(table["linear"]) if has_linear else None,
    )


def _to_lists(matrix: Matrix) -> pa.Array:
    values = np.ascontiguousarray(matrix, dtype=np.float32).reshape(-1)
    return pa.FixedSizeListArray.from_arrays(pa.array(values), matrix.shape[1])


def _to_matrix(column: pa.ChunkedArray) -> Matrix:
    chunks = [chunk.flatten().to_numpy() for chunk in column.chunks]
    matrix: Matrix = np.concatenate([np.empty(0, dtype=np.float32), *chunks])
    return matrix.reshape(-1, column.type.list_size)
