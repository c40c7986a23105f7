"""Several sources make one manifest, each read by its own folders."""

from pathlib import Path

import pytest

from ..conftest import RunIngest, WriteImage


@pytest.fixture
def photos(tmp_path: Path, write_image: WriteImage) -> Path:
    for name in ("one/cat", "one/dog", "two", "set/train/cat", "set/train/dog", "set/val/cat"):
        for number in range(4):
            write_image(tmp_path / "photos" / name / f"{number}.jpg")
    return tmp_path / "photos"


def test_each_source_says_its_own_classes_and_splits(photos: Path, run: RunIngest) -> None:
    manifest = run((str(photos / "one"), str(photos / "two"), str(photos / "set"))).manifest
    assert len(manifest) == 24
    counts = manifest.assign(label=manifest["label"].fillna("")).groupby(["split", "label"]).size().to_dict()
    assert counts == {("train", "cat"): 8, ("train", "dog"): 8, ("train", ""): 4, ("val", "cat"): 4}


def test_sources_named_as_splits_are_the_splits_of_one(photos: Path, run: RunIngest) -> None:
    apart = run((str(photos / "set" / "train"), str(photos / "set" / "val")))
    assert apart.summary["digest"] == run(photos / "set").summary["digest"]


def test_a_file_named_by_two_sources_counts_once(
    photos: Path, run: RunIngest, caplog: pytest.LogCaptureFixture
) -> None:
    result = run((str(photos / "one"), str(photos / "one" / "cat")), validation_fraction=0.5)
    assert len(result.manifest) == 8
    assert "ingest.source lists 4 files more than once" in caplog.text


def test_a_list_and_a_folder_go_together(photos: Path, run: RunIngest) -> None:
    (photos / "list.csv").write_text("path,label,split\nset/val/cat/0.jpg,cat,test\n")
    result = run((str(photos / "one"), str(photos / "list.csv")), validation_fraction=0.2)
    assert result.manifest.query("split == 'test'")["label"].tolist() == ["cat"]
    assert len(result.manifest) == 9


def test_one_missing_source_of_several_is_named(photos: Path, run: RunIngest) -> None:
    with pytest.raises(ValueError, match="three does not exist"):
        run((str(photos / "one"), str(photos / "three")))
