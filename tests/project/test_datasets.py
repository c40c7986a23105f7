"""Folders are absolute paths, products are whole or absent."""

from pathlib import Path

import pytest
from kedro.io import DatasetError

from dino_pipeline.project.datasets import FolderDataset, OptionalDataset


def finished(folder: Path, text: str) -> Path:
    folder.mkdir()
    (folder / "weights").write_text(text)
    (folder / "model.json").write_text("{}")
    return folder


def test_a_working_folder_is_made_and_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    folder = FolderDataset(filepath="a/b").load()
    assert folder == tmp_path / "a" / "b"
    assert folder.is_dir()


def test_a_product_that_is_not_there_says_how_to_make_it(tmp_path: Path) -> None:
    dataset = FolderDataset(filepath=str(tmp_path / "model"), marker="model.json")
    assert not dataset.exists()
    with pytest.raises(DatasetError, match=r"no model/model\.json.*kedro run"):
        dataset.load()


def test_publishing_replaces_the_old_product_whole(tmp_path: Path) -> None:
    dataset = FolderDataset(filepath=str(tmp_path / "out" / "model"), marker="model.json")
    first, second = finished(tmp_path / "first", "1"), finished(tmp_path / "second", "2")
    (first / "only_in_first").touch()
    dataset.save(first)
    assert dataset.exists()
    dataset.save(second)
    published = dataset.load()
    assert (published / "weights").read_text() == "2"
    assert not (published / "only_in_first").exists()
    assert [path.name for path in published.parent.iterdir()] == ["model"]
    assert (first / "weights").exists()


def test_publishing_what_lies_there_already_changes_nothing(tmp_path: Path) -> None:
    folder = finished(tmp_path / "model", "1")
    FolderDataset(filepath=str(folder), marker="model.json").save(folder)
    assert (folder / "weights").read_text() == "1"


def test_an_unfinished_folder_is_not_published(tmp_path: Path) -> None:
    (tmp_path / "half").mkdir()
    dataset = FolderDataset(filepath=str(tmp_path / "model"), marker="model.json")
    with pytest.raises(DatasetError, match=r"no model\.json"):
        dataset.save(tmp_path / "half")
    assert not (tmp_path / "model").exists()


def test_what_may_be_absent_is_none_until_it_is_there(tmp_path: Path) -> None:
    file = tmp_path / "note.txt"
    dataset = OptionalDataset(dataset={"type": "text.TextDataset", "filepath": str(file)})
    assert dataset.load() is None
    assert not dataset.exists()
    file.write_text("here")
    assert dataset.load() == "here"
    with pytest.raises(DatasetError, match="read-only"):
        dataset.save("more")
