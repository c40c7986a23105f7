"""Several sources make one manifest, each read by its own folders."""

import shutil
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


@pytest.mark.parametrize(("train", "held_out"), [("training_set", "val_set"), ("seg_train", "seg_val")])
def test_sources_whose_names_are_decorated_are_splits_too(
    train: str, held_out: str, photos: Path, run: RunIngest, caplog: pytest.LogCaptureFixture
) -> None:
    expected = run(photos / "set").summary["digest"]
    for split, name in (("train", train), ("val", held_out)):
        (photos / "set" / split).rename(photos / name)
    assert run((str(photos / train), str(photos / held_out))).summary["digest"] == expected
    assert f"Sources are splits by their names: {train} is train, {held_out} is val" in caplog.text
    with pytest.raises(ValueError, match="is 'holdout' a split"):
        run((str(photos / "one"), str((photos / held_out).rename(photos / "holdout"))))
    given = run((str(photos / "one"), str(photos / "holdout")), splits={"holdout": "val", "one": "train"})
    assert given.summary["splits"] == {"train": 8, "val": 4, "test": 0}


def test_archives_and_lists_are_splits_by_their_names(photos: Path, run: RunIngest, tmp_path: Path) -> None:
    expected = run(photos / "set").summary["digest"]
    archives = [
        shutil.make_archive(str(tmp_path / split), "zip", photos / "set" / split)
        for split in ("train", "val")
    ]
    assert run(tuple(archives)).summary["digest"] == expected
    for split in ("train", "val"):
        names = sorted((photos / "set" / split).rglob("*.jpg"))
        lines = [f"{name},{name.parent.name}" for name in names]
        (tmp_path / f"{split}.csv").write_text("\n".join(["path,label", *lines]))
    lists = run((str(tmp_path / "train.csv"), str(tmp_path / "val.csv")))
    assert lists.summary["splits"] == {"train": 8, "val": 4, "test": 0}


def test_other_names_inside_an_archive_are_splits(photos: Path, run: RunIngest, tmp_path: Path) -> None:
    expected = run(photos / "set").summary["digest"]
    (photos / "set" / "train").rename(photos / "set" / "training_set")
    (photos / "set" / "val").rename(photos / "set" / "dev_set")
    for kind in ("zip", "tar", "gztar"):
        assert (
            run(Path(shutil.make_archive(str(tmp_path / kind), kind, photos / "set"))).summary["digest"]
            == expected
        )


def test_a_folder_reached_by_a_link_counts_once(photos: Path, run: RunIngest) -> None:
    (photos / "linked").symlink_to(photos / "one")
    (photos / "list.csv").write_text("path,label\none/cat/0.jpg,cat\nlinked/dog/0.jpg,dog\n")
    assert len(run((str(photos / "one"), str(photos / "linked"))).manifest) == 8
    assert len(run((str(photos / "list.csv"), str(photos / "one"))).manifest) == 8


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
