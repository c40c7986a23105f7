"""Equal images are told of, and of each the held-out copy stays."""

import json
import shutil
from pathlib import Path

import pytest

from .conftest import RunIngest, WriteImage


@pytest.fixture
def folder(tmp_path: Path, write_image: WriteImage) -> Path:
    """Eight different images; one of train lies in test again, one of train twice under two labels."""
    folder = tmp_path / "set"
    for number in range(4):
        write_image(folder / "train" / "cat" / f"{number}.png")
        write_image(folder / "test" / "cat" / f"{number}.png")
    write_image(folder / "val" / "cat" / "0.png")
    (folder / "train" / "dog").mkdir()
    shutil.copy(folder / "train" / "cat" / "0.png", folder / "test" / "cat" / "again.png")
    shutil.copy(folder / "train" / "cat" / "1.png", folder / "train" / "dog" / "again.png")
    return folder


def test_equal_images_are_counted_and_named(folder: Path, run: RunIngest) -> None:
    result = run(folder)
    assert result.summary["duplicates"] == {
        "groups": 2,
        "images": 4,
        "groups_across_splits": 1,
        "groups_of_several_labels": 1,
        "dropped": 0,
    }
    assert len(result.manifest) == 11
    places = {(Path(path).name, split) for path, split in result.duplicates[["path", "split"]].to_numpy()}
    assert places == {("again.png", "test"), ("0.png", "train"), ("1.png", "train"), ("again.png", "train")}
    json.dumps(result.summary)


def test_across_splits_the_held_out_copy_stays(folder: Path, run: RunIngest) -> None:
    result = run(folder, drop_duplicates="across_splits")
    assert result.summary["splits"] == {"train": 4, "val": 1, "test": 5}
    assert result.summary["held_out_images_also_in_train"] == {"val": 0, "test": 0}
    assert result.quarantine["path"].tolist() == [str(folder / "train" / "cat" / "0.png")]
    copy = folder / "test" / "cat" / "again.png"
    assert result.quarantine["reason"].tolist() == [f"duplicate: same bytes as {copy} in test"]


def test_all_keeps_one_of_each(folder: Path, run: RunIngest) -> None:
    result = run(folder, drop_duplicates="all")
    assert result.manifest["sha256"].is_unique
    assert result.summary["splits"] == {"train": 3, "val": 1, "test": 5}
    assert result.summary["quarantined"] == {"duplicate": 2}
