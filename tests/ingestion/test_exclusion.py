"""Images that a cleaning list does not keep are left out, by content; a list that cannot be applied is one error."""

import json
import logging
import shutil
from pathlib import Path

import pandas as pd
import pytest

from .conftest import RunIngest, WriteImage


@pytest.fixture
def folder(tmp_path: Path, write_image: WriteImage) -> Path:
    """Four images of train and two of test."""
    folder = tmp_path / "set"
    for number in range(4):
        write_image(folder / "train" / f"{number}.png")
    for number in range(2):
        write_image(folder / "test" / f"{number}.png")
    return folder


@pytest.fixture
def whole(folder: Path, run: RunIngest) -> pd.DataFrame:
    """The manifest without exclusion."""
    return run(folder, validation_fraction=0.0).manifest


def write_list(rows: pd.DataFrame, keep: list[object], file: Path) -> str:
    table = rows[["path", "member", "sha256"]].assign(keep=keep)
    table.to_csv(file, index=False)
    return str(file)


def names(manifest: pd.DataFrame) -> list[str]:
    return [f"{Path(path).parent.name}/{Path(path).name}" for path in manifest["path"]]


def test_images_not_to_keep_are_left_out_counted_and_said(
    folder: Path, whole: pd.DataFrame, run: RunIngest, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = write_list(whole, [True, False, False, True, True, False], tmp_path / "list.csv")
    with caplog.at_level(logging.INFO):
        result = run(folder, validation_fraction=0.0, exclude=file)
    assert names(result.manifest) == ["train/0.png", "train/3.png", "test/0.png"]
    assert result.summary["excluded"] == {"list": file, "images": 3, "not_found": 0}
    assert result.summary["quarantined"] == {"excluded": 3}
    assert set(result.quarantine["reason"]) == {f"excluded: listed in {file} (ingest.exclude)"}
    assert "ingest.exclude leaves out 3 images" in caplog.text
    json.dumps(result.summary)


def test_another_digest_makes_another_model_and_a_list_that_keeps_all_the_same(
    folder: Path, whole: pd.DataFrame, run: RunIngest, tmp_path: Path
) -> None:
    digests = [run(folder, validation_fraction=0.0).summary["digest"]]
    for number, keep in enumerate(([True] * 6, [False, *[True] * 5])):
        file = write_list(whole, keep, tmp_path / f"{number}.csv")
        digests.append(run(folder, validation_fraction=0.0, exclude=file).summary["digest"])
    assert digests[0] == digests[1] != digests[2]


def test_the_bytes_decide_so_that_a_list_outlives_moved_files(
    folder: Path, whole: pd.DataFrame, run: RunIngest, tmp_path: Path
) -> None:
    file = write_list(whole, [False, *[True] * 5], tmp_path / "list.csv")
    moved = folder.rename(tmp_path / "moved")
    (moved / "train" / "0.png").rename(moved / "train" / "renamed.png")
    manifest = run(moved, validation_fraction=0.0, exclude=file).manifest
    assert "train/renamed.png" not in names(manifest)
    assert len(manifest) == 5


def test_of_files_of_the_same_bytes_the_path_decides(folder: Path, run: RunIngest, tmp_path: Path) -> None:
    shutil.copy(folder / "test" / "0.png", folder / "train" / "copy.png")
    whole = run(folder, validation_fraction=0.0).manifest
    file = write_list(whole, [name != "train/copy.png" for name in names(whole)], tmp_path / "list.csv")
    left = names(run(folder, validation_fraction=0.0, exclude=file).manifest)
    assert "train/copy.png" not in left
    assert "test/0.png" in left


def test_an_image_listed_twice_goes_if_one_line_says_so(
    folder: Path, whole: pd.DataFrame, run: RunIngest, tmp_path: Path
) -> None:
    twice = pd.concat([whole.iloc[:1], whole.iloc[:1]])
    file = write_list(twice, ["false", "TRUE"], tmp_path / "list.csv")
    assert "train/0.png" not in names(run(folder, validation_fraction=0.0, exclude=file).manifest)


def test_no_image_changes_its_split(
    folder: Path, run: RunIngest, write_image: WriteImage, tmp_path: Path
) -> None:
    for number in range(4, 40):
        write_image(folder / "train" / f"{number}.png")
    whole = run(folder, validation_fraction=0.3).manifest
    file = write_list(whole, [position % 3 > 0 for position in range(len(whole))], tmp_path / "list.csv")
    left = run(folder, validation_fraction=0.3, exclude=file).manifest
    assert len(left) == len(whole) * 2 // 3
    before = dict(zip(whole["path"], whole["split"], strict=True))
    assert all(before[path] == split for path, split in zip(left["path"], left["split"], strict=True))


def test_a_list_of_other_images_is_warned_of(
    folder: Path, whole: pd.DataFrame, run: RunIngest, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = write_list(whole.iloc[:1].assign(sha256="0" * 64), [False], tmp_path / "list.csv")
    result = run(folder, validation_fraction=0.0, exclude=file)
    assert result.summary["excluded"] == {"list": file, "images": 0, "not_found": 1}
    assert "1 images listed in" in caplog.text


def test_a_list_that_is_not_there_is_an_error(folder: Path, run: RunIngest) -> None:
    with pytest.raises(ValueError, match=r"ingest\.exclude: .*nowhere\.csv does not exist"):
        run(folder, exclude="nowhere.csv")


def test_missing_columns_are_named(folder: Path, run: RunIngest, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("file,keep\na.png,false\n")
    with pytest.raises(ValueError, match=r"has no column sha256, path, member, only file, keep"):
        run(folder, exclude=str(tmp_path / "list.csv"))


def test_an_empty_file_is_no_list(folder: Path, run: RunIngest, tmp_path: Path) -> None:
    (tmp_path / "list.csv").write_text("")
    with pytest.raises(ValueError, match=r"ingest\.exclude: .* cannot be read as a table"):
        run(folder, exclude=str(tmp_path / "list.csv"))


def test_keep_is_true_or_false(folder: Path, whole: pd.DataFrame, run: RunIngest, tmp_path: Path) -> None:
    file = write_list(whole, [True, "perhaps", *[True] * 4], tmp_path / "list.csv")
    with pytest.raises(ValueError, match=r"line 3: keep is 'perhaps'"):
        run(folder, validation_fraction=0.0, exclude=file)


def test_a_list_that_a_spreadsheet_saved_excludes_the_same(
    folder: Path, whole: pd.DataFrame, run: RunIngest, tmp_path: Path
) -> None:
    file = Path(write_list(whole, [False, *[True] * 5], tmp_path / "list.csv"))
    saved = file.read_text().replace(",", ";").replace("False", "FALSE").replace("sha256", "SHA256")
    file.write_text(saved, encoding="utf-16")
    assert run(folder, validation_fraction=0.0, exclude=str(file)).summary["excluded"]["images"] == 1


def test_a_split_is_not_emptied(folder: Path, whole: pd.DataFrame, run: RunIngest, tmp_path: Path) -> None:
    file = write_list(whole, [True] * 4 + [False] * 2, tmp_path / "list.csv")
    with pytest.raises(ValueError, match="excludes all 2 images of test"):
        run(folder, validation_fraction=0.0, exclude=file)


def test_the_list_that_the_next_run_replaces_is_refused(
    folder: Path, whole: pd.DataFrame, run: RunIngest, tmp_path: Path
) -> None:
    name = "data/08_reporting/smoke/cleaning_list.csv"
    (tmp_path / "project" / name).parent.mkdir(parents=True)
    write_list(whole, [True] * 6, tmp_path / "project" / name)
    with pytest.raises(ValueError, match="Copy it to another folder"):
        run(folder, validation_fraction=0.0, exclude=name)
