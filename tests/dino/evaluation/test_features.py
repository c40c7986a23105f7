"""Features survive the file, which is the same for the same features."""

import numpy as np
import pyarrow.parquet as pq
import pytest

from dino_pipeline.dino.evaluation.features import Features, read_features, write_features


def some_features(with_linear=True):
    random = np.random.default_rng(0)
    return Features(
        row_ids=np.arange(7) * 3,
        splits=np.array(["train"] * 4 + ["val", "test", "test"]),
        labels=np.array(["a", None, "b", "b", "a", None, "c"], dtype=object),
        embedding=random.normal(size=(7, 5)).astype(np.float32),
        linear=random.normal(size=(7, 9)).astype(np.float32) if with_linear else None,
    )


@pytest.mark.parametrize("with_linear", [True, False])
def test_what_is_written_is_read(tmp_path, with_linear):
    features = some_features(with_linear)
    write_features(tmp_path / "folder" / "features.parquet", features)
    again = read_features(tmp_path / "folder" / "features.parquet")
    for name in ("row_ids", "splits", "labels", "embedding"):
        assert np.array_equal(getattr(again, name), getattr(features, name)), name
    assert np.array_equal(again.linear, features.linear) if with_linear else again.linear is None


def test_equal_features_make_equal_files(tmp_path):
    for name in ("one", "two"):
        write_features(tmp_path / name, some_features())
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_the_file_is_plain_parquet_with_one_vector_an_image(tmp_path):
    write_features(tmp_path / "features.parquet", some_features())
    table = pq.read_table(tmp_path / "features.parquet")
    assert table.column_names == ["row_id", "split", "label", "embedding", "linear"]
    assert table["embedding"][2].as_py() == some_features().embedding[2].tolist()


def test_a_split_keeps_its_rows():
    test = some_features().split("test")
    assert test.row_ids.tolist() == [15, 18]
    assert np.array_equal(test.linear, some_features().linear[5:])
