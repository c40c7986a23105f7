"""What changed between two ingests of a recipe is logged."""

import logging
from pathlib import Path

import pandas as pd
import pytest

from dino_pipeline.ingestion.summary import report_changes

from .conftest import RunIngest, WriteImage


def said(before: pd.DataFrame, after: pd.DataFrame, file: Path, caplog: pytest.LogCaptureFixture) -> str:
    before.to_parquet(file)
    caplog.clear()
    with caplog.at_level(logging.INFO):
        report_changes(file, after)
    return " ".join(caplog.messages)


def test_changed_labels_splits_and_images_are_counted_and_named(
    tmp_path: Path, write_image: WriteImage, run: RunIngest, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("cat/1.jpg", "cat/2.jpg", "dog/3.jpg", "dog/4.jpg"):
        write_image(tmp_path / "photos" / name)
    (tmp_path / "old.csv").write_text(
        "path,label,split\nphotos/cat/1.jpg,cat,train\nphotos/cat/2.jpg,cat,train\nphotos/dog/3.jpg,,train\n"
    )
    (tmp_path / "new.csv").write_text(
        "path,label,split\nphotos/cat/1.jpg,cat,train\nphotos/dog/3.jpg,dog,test\nphotos/dog/4.jpg,dog,train\n"
    )
    old, new = (run(tmp_path / name, validation_fraction=0).manifest for name in ("old.csv", "new.csv"))
    path = tmp_path / "photos" / "dog" / "3.jpg"
    assert said(old, new, tmp_path / "before.parquet", caplog) == (
        "Images since the last ingest of this recipe: 1 more, 1 fewer, "
        f"1 with another split (such as {path}: test, was train), 1 with another label (such as {path}: dog, was none)"
    )
    assert said(old, old, tmp_path / "before.parquet", caplog) == ""
    assert said(old.iloc[:1], new.iloc[1:], tmp_path / "before.parquet", caplog) == "", "another data set"
    report_changes(tmp_path / "none.parquet", new)
