"""A list of files becomes a manifest with the list's labels and splits."""

from pathlib import Path

import pandas as pd
import pytest

from dino_pipeline.ingestion.config import IngestConfig
from dino_pipeline.ingestion.layout import Place
from dino_pipeline.ingestion.sources.file_list import list_table

from ..conftest import RunIngest, WriteImage


def write(file: Path, text: str) -> Path:
    file.write_text(text)
    return file


def test_labels_and_splits_are_the_lists_and_paths_hang_on_its_folder(
    tmp_path: Path, run: RunIngest, write_image: WriteImage
) -> None:
    for name in ("a.jpg", "deep/b.jpg", "c.jpg", "not_in_it.jpg"):
        write_image(tmp_path / "photos" / name)
    elsewhere = write_image(tmp_path / "elsewhere" / "d.jpg")
    text = (
        f"path,label,split\na.jpg,007,train\ndeep/b.jpg,NA,validation\nc.jpg,,train\n{elsewhere},007,Test\n"
    )
    manifest = run(write(tmp_path / "photos" / "list.csv", text)).manifest
    rows = manifest[["path", "split", "label"]].astype(object)
    assert rows.where(rows.notna(), None).to_numpy().tolist() == [
        [str(tmp_path / "photos" / "a.jpg"), "train", "007"],
        [str(tmp_path / "photos" / "c.jpg"), "train", None],
        [str(tmp_path / "photos" / "deep" / "b.jpg"), "val", "NA"],
        [str(elsewhere), "test", "007"],
    ]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".parquet"])
def test_paths_alone_are_enough_in_every_format(
    suffix: str, tmp_path: Path, run: RunIngest, write_image: WriteImage
) -> None:
    names = [write_image(tmp_path / f"{number}.jpg").name for number in range(10)]
    file = tmp_path / f"list{suffix}"
    table = pd.DataFrame({"path": names, "photographer": "nobody"})
    if suffix == ".parquet":
        table.to_parquet(file)
    else:
        table.to_csv(file, sep="\t" if suffix == ".tsv" else ",", index=False)
    summary = run(file).summary
    assert summary["splits"] == {"train": 9, "val": 1, "test": 0}
    assert summary["num_classes"] == 0


def test_numbers_and_gaps_of_a_parquet_list_are_labels_and_none(
    tmp_path: Path, write_image: WriteImage, config: IngestConfig
) -> None:
    write_image(tmp_path / "a.jpg")
    table = pd.DataFrame({"path": ["a.jpg", "b.jpg"], "label": pd.array([3, None], dtype="Int64")})
    table.to_parquet(tmp_path / "list.parquet")
    places = list_table(tmp_path / "list.parquet", config).places
    assert places == {"a.jpg": Place("train", "3"), "b.jpg": Place("train", None)}


def test_missing_files_are_quarantined_one_by_one_and_found_once_they_are_there(
    tmp_path: Path, run: RunIngest, write_image: WriteImage
) -> None:
    for number in range(10):
        write_image(tmp_path / f"{number}.jpg")
    lines = [f"{number}.jpg" for number in range(12)] + [".", "0.jpg"]
    file = write(tmp_path / "list.csv", "\n".join(["path", *lines]))
    result = run(file)
    assert len(result.manifest) == 10, "0.jpg is named twice and counts once"
    reasons = {
        Path(p).name: r for p, r in zip(result.quarantine["path"], result.quarantine["reason"], strict=True)
    }
    assert reasons["10.jpg"] == "missing: the list names it (No such file or directory)"
    assert reasons[tmp_path.name] == "not an image: a folder or device"
    write_image(tmp_path / "10.jpg")
    assert len(run(file).manifest) == 11


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("list.csv", "text,label\nhello,cat\n", "no column of paths, only the columns 'text', 'label'"),
        ("list.csv", "path,split\na.jpg,train\nb.jpg,holdout\n", "line 3 has the split 'holdout'"),
        ("list.csv", "path,split\na.jpg,\n", "line 2 has the split ''"),
        ("list.csv", "", "cannot be read as a table"),
        ("list.csv", "path\na,b,c\nd,e,f,g,h\n", "none of its 2 files can be read"),
        ("list.csv", "path,label\na,b\nd,e,f\n", "line 3 has 3 values, but line 1 has 2"),
        ("list.parquet", "path\na.jpg\n", "cannot be read as a table"),
    ],
)
def test_a_list_that_cannot_be_meant_is_refused_in_words(
    name: str, text: str, words: str, tmp_path: Path, run: RunIngest
) -> None:
    with pytest.raises(ValueError, match=words):
        run(write(tmp_path / name, text))


def test_a_list_is_not_copied(tmp_path: Path, run: RunIngest) -> None:
    with pytest.raises(ValueError, match="set it to false"):
        run(write(tmp_path / "list.csv", "path\n"), copy_images=True)
