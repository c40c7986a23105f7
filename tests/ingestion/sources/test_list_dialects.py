"""Lists as spreadsheets, labelling tools, pandas and databases write them are read right, or refused by line."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dino_pipeline.ingestion.config import IngestConfig
from dino_pipeline.ingestion.sources.file_list import list_table

NAMES = ["a.jpg", "b.jpg", "cats/c.jpg", "cats/d e.jpg", "ü.jpg"]
LABELS = ["cat", "dog", "cat", "dög", "cat"]
SPLITS = ["train", "train", "val", "test", "train"]
Read = Callable[..., dict[str, tuple[str | None, str | None, str | None]]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The folder of the list. `list_table` opens no image, so empty files do."""
    (tmp_path / "cats").mkdir()
    for name in NAMES:
        (tmp_path / name).touch()
    return tmp_path


@pytest.fixture
def read(folder: Path, config: IngestConfig) -> Read:
    """Split, label and group by the file's path below the list's folder."""

    def call(content: str | bytes | Callable[[Path], Any], name: str = "list.csv", **values: Any) -> Any:
        file = folder / name
        if callable(content):
            content(file)
        else:
            file.write_bytes(content.encode() if isinstance(content, str) else content)
        listing = list_table(file, replace(config, **values))
        assert listing.places is not None
        assert len(listing.places) == len(listing.files)
        return {
            str(Path(one.path).relative_to(folder)): (
                *listing.places[one.name][:2],
                listing.places[one.name].group,
            )
            for one in listing.files
        }

    return call


EXPECTED = {name: (split, label, None) for name, label, split in zip(NAMES, LABELS, SPLITS, strict=True)}
FRAME = pd.DataFrame({"path": NAMES, "label": LABELS, "split": SPLITS})


def text(separator: str = ",", header: str = "path,label,split", end: str = "\n", after: str = "") -> str:
    rows = [header.split(","), *zip(NAMES, LABELS, SPLITS, strict=True)]
    return "".join(separator.join(row) + after + end for row in rows)


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (text(), "list.csv"),
        (text("\t"), "list.tsv"),
        (text(), "list.tsv"),
        (text("\t"), "list.csv"),
        (text(";"), "list.csv"),
        (text("|"), "list.txt"),
        ("sep=;\n" + text(";"), "list.csv"),
        (text(end="\r\n"), "list.csv"),
        (text(end="\r"), "list.csv"),
        (text(after=","), "list.csv"),
        (text(";", after=";;"), "list.csv"),
        (text(", "), "list.csv"),
        (text().replace("a.jpg", '"a.jpg"').replace("cat,", '"cat",'), "list.csv"),
        ("\n\n" + text(end="\n\n") + ",,\n", "list.csv"),
        (text().encode("utf-8-sig"), "list.csv"),
        (text("\t").encode("utf-16"), "list.txt"),
        (text().encode("utf-16-le"), "list.csv"),
        (text().encode("cp1252"), "list.csv"),
        (text(header="path,Label, Split"), "list.csv"),
        (text(header="PATH,LABEL,SPLIT"), "list.csv"),
        (text(header="Image Path,class_name,Subset"), "list.csv"),
        (text(header="filename,category,set"), "list.csv"),
        (text(header="Bild,Target,partition"), "list.csv"),
        (text(header="file_name,y,fold"), "list.csv"),
        (text().partition("\n")[2], "list.csv"),
        (FRAME.to_csv(), "list.csv"),
        (FRAME.reset_index().to_csv(), "list.csv"),
        (FRAME.to_csv(header=False), "list.csv"),
        (FRAME.assign(width=3, y=1.5, box="[1, 2]", note='he said "no", once').to_csv(), "list.csv"),
        (FRAME.to_json(orient="records", lines=True), "list.jsonl"),
        (FRAME.to_json(orient="records", lines=True, force_ascii=False), "list.ndjson"),
        (
            FRAME.assign(split=FRAME["split"].replace({"val": "Validation", "train": "TRAINING"})).to_csv(),
            "l.csv",
        ),
        (text().replace("a.jpg", "./a.jpg").replace("b.jpg", "cats/../b.jpg"), "list.csv"),
        (text().replace("cats/", "cats\\"), "list.csv"),
    ],
)
def test_every_dialect_means_the_same(read: Read, content: str | bytes, name: str) -> None:
    assert read(content, name) == EXPECTED


def test_paths_may_be_absolute_or_addresses_of_files(read: Read, folder: Path) -> None:
    for prefix in (f"{folder}/", f"file://{quote(str(folder))}/", f"file://localhost{quote(str(folder))}/"):
        spelled = [prefix + (quote(name) if prefix.startswith("file") else name) for name in NAMES]
        assert read(FRAME.assign(path=spelled).to_csv(index=False)) == EXPECTED
    assert read(FRAME.assign(path=["file:" + quote(name) for name in NAMES]).to_csv(index=False)) == EXPECTED


@pytest.mark.parametrize(
    "change",
    [
        lambda frame: frame,
        lambda frame: frame.astype("category"),
        lambda frame: frame.astype("string"),
        lambda frame: frame.set_index("path"),
        lambda frame: frame.assign(box=[[1, 2]] * 5, when=pd.Timestamp(0), image=[{"bytes": b"x"}] * 5),
    ],
)
def test_parquet_of_every_kind_means_the_same(
    read: Read, change: Callable[[pd.DataFrame], pd.DataFrame]
) -> None:
    assert (
        read(lambda file: change(FRAME).to_parquet(file), "list.parquet", columns={"path": "path"})
        == EXPECTED
    )


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        (pd.Series([1, 2, 1, 2, 1]), ["1", "2", "1", "2", "1"]),
        (pd.Series([1, None, 1, 2, 1]), ["1", None, "1", "2", "1"]),
        (pd.Series([1, None, 1, 2, 1], dtype="Int64"), ["1", None, "1", "2", "1"]),
        (pd.Series([1, None, 1, 2, 1]).astype("category"), ["1", None, "1", "2", "1"]),
        (pd.Series([1.5, None, 1, 2, 1]), ["1.5", None, "1.0", "2.0", "1.0"]),
        (pd.Series([True, False, True, False, True]), ["True", "False", "True", "False", "True"]),
        (pd.Series(["007", None, "", "x", " y "]), ["007", None, None, "x", "y"]),
        (pd.Series(["nan", "NULL", r"\N", "<NA>", "y"]), [None, None, None, None, "y"]),
        (pd.Series(["None", "NA", "n/a", "0", "y"]), ["None", "NA", "n/a", "0", "y"]),
    ],
)
def test_labels_of_every_type_have_the_same_names_in_text_and_parquet(
    read: Read, labels: "pd.Series[Any]", expected: list[str | None]
) -> None:
    frame = pd.DataFrame({"path": NAMES, "label": labels})
    assert [
        label for _, label, _ in read(lambda file: frame.to_parquet(file), "list.parquet").values()
    ] == expected
    assert [label for _, label, _ in read(frame.to_csv(index=False)).values()] == expected


def test_a_column_named_like_a_patient_is_the_group(read: Read, caplog: pytest.LogCaptureFixture) -> None:
    for header in ("path,patient_id", "path,Group", "path,subject"):
        assert read(f"{header}\na.jpg,7\nb.jpg,\n") == {
            "a.jpg": ("train", None, "7"),
            "b.jpg": ("train", None, None),
        }
    assert "group is the column 'patient_id'" in caplog.text
    assert "set ingest.columns.group to null or a column's name" in caplog.text


def test_numbers_after_the_path_are_labels_without_a_header(read: Read) -> None:
    assert read("a.jpg,0\nb.jpg,1\n") == {"a.jpg": ("train", "0", None), "b.jpg": ("train", "1", None)}
    assert read("0,a.jpg,dog\n1,b.jpg,cat\n") == {
        "a.jpg": ("train", "dog", None),
        "b.jpg": ("train", "cat", None),
    }


def test_the_user_s_columns_come_before_every_guess(read: Read) -> None:
    content = "path,label,species,fold\na.jpg,1,lynx,0\nb.jpg,2,puma,1\n"
    columns = {"label": "species", "split": None}
    assert read(content, columns=columns) == {
        "a.jpg": ("train", "lynx", None),
        "b.jpg": ("train", "puma", None),
    }
    named = read(content, columns={"label": None}, splits={"0": "train", "1": "test"})
    assert named == {"a.jpg": ("train", None, None), "b.jpg": ("test", None, None)}
    with pytest.raises(
        ValueError, match=r"ingest.columns.label is 'kind', but .* has the columns 'path', 'label'"
    ):
        read(content, columns={"label": "kind"})


def test_words_of_splits_in_a_column_are_those_of_folders(
    read: Read, caplog: pytest.LogCaptureFixture
) -> None:
    for words in (("training_set", "test_set"), ("seg_train", "seg_test"), ("Trn", "dev")):
        found = read(f"path,split\na.jpg,{words[0]}\nb.jpg,{words[1]}\n")
        assert [split for split, _, _ in found.values()] == ["train", "val" if words[1] == "dev" else "test"]
    assert "seg_test is test" in caplog.text
    assert "set ingest.splits.seg_test" in caplog.text


def test_one_file_in_several_spellings_is_one_image(read: Read, folder: Path) -> None:
    (folder / "link").symlink_to(folder / "cats")
    spelled = ["a.jpg", "./a.jpg", "cats/../a.jpg", ".//a.jpg", f"{folder}/a.jpg", "link/c.jpg", "cats/c.jpg"]
    content = "path,label\n" + "".join(f"{path},cat\n" for path in spelled)
    assert list(read(content)) == ["a.jpg", "link/c.jpg"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (
            "path,label\na.jpg,cat\n./a.jpg,dog\n",
            r"line 3: the label of ./a.jpg is 'dog', but it is 'cat' in line 2",
        ),
        ("path,label\na.jpg,cat\n\ncats/../a.jpg,\n", r"line 4: the label of cats/../a.jpg is none"),
        (
            "path,split\na.jpg,test\na.jpg,train\n",
            r"line 3: the split of a.jpg is 'train', but it is 'test' in line 2",
        ),
        ("path,group\na.jpg,1\na.jpg,2\n", r"line 3: the group of a.jpg is '2'"),
        (
            "path,label,class\na.jpg,cat,x\nb.jpg,dog,x\n",
            r"'label' and 'class' may both be the label: set ingest.columns",
        ),
        ("path,Label,label\na.jpg,cat,x\n", r"'Label' and 'label' may both be the label"),
        ("path,patient,slide\na.jpg,1,1\nb.jpg,1,2\n", r"'patient' and 'slide' may both be the group"),
        (
            "path,lable\na.jpg,cat\n",
            r"is the column 'lable' the label\? set ingest.columns.label to null or a column",
        ),
        ("path,splt\na.jpg,test\n", r"is the column 'splt' the split\?"),
        ("path,fold\na.jpg,0\n", r"line 2 has the split '0'.*set ingest.splits.0 to one of these"),
        ("path,is_valid\na.jpg,True\n", r"line 2 has the split 'True'.*ingest.columns.split to null"),
        ("path,split\na.jpg,holdout\n", r"line 2 has the split 'holdout'"),
        ("path,label\n,cat\n", r"line 2 has no path"),
        (
            "path,label\nC:\\photos\\a.jpg,cat\n",
            r"line 2: .* is a path of Windows, .*relative to the list's folder",
        ),
        ("path,label\nfile:///C:/photos/a.jpg,cat\n", r"line 2: .* is a path of Windows"),
        ("path,label\n\\\\server\\a.jpg,cat\n", r"line 2: .* is a path of Windows"),
        (
            "path,label\na.jpg,cat\nhttps://x.org/a.jpg,cat\n",
            r"line 3: https://x.org/a.jpg is an address: download",
        ),
        ("path,label\ns3://x/a.jpg,cat\n", r"line 2: .* is an address"),
        ("path,label\na.jpg,cat,dog\n", r"line 2 has 3 values, but line 1 has 2: put quotes .* a comma"),
        ('path,label\na.jpg,"cat\nb.jpg,dog\n', r"line 2 cannot be read as a table: .* Check the quotes"),
        ('path,label\na.jpg,"cat\nb.jpg",dog\n', r"line 2"),
        (
            "path\nx.jpg\ny.jpg\n",
            r"none of its 2 files can be read; line 2 names .*x.jpg .*starts at the list's folder",
        ),
        (
            "a.jpg,cat,red\nb.jpg,dog,blue\n",
            r"has no header, and its columns cannot be guessed: write a first line",
        ),
        ("PK\x03\x04...", r"is a spreadsheet's own file or an archive, no text: save the table as CSV"),
        ("path,label\na.jpg,c\0t\n", r"line 2: the label 'c\\x00t' is not one line of text"),
        ("image,photo\na.jpg,b.jpg\n", r"'image' and 'photo' may both be the path: set ingest.columns.path"),
    ],
)
def test_what_is_in_doubt_is_refused_in_one_line(read: Read, content: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as error:
        read(content)
    assert "\n" not in str(error.value)


def test_parquet_and_json_are_refused_by_column_and_row(read: Read) -> None:
    with pytest.raises(ValueError, match=r"the column 'label' is list<.*write one text or number a row"):
        read(lambda file: FRAME.assign(label=[["x"]] * 5).to_parquet(file), "list.parquet")
    table = pa.table({"image": [{"bytes": b"x"}]})
    with pytest.raises(ValueError, match=r"the column 'image' is struct<"):
        read(lambda file: pq.write_table(table, file), "list.parquet")
    with pytest.raises(ValueError, match=r"row 2 has the split 'x'"):
        read(lambda file: FRAME.assign(split=["train", *"xyzz"]).to_parquet(file), "list.parquet")
    with pytest.raises(ValueError, match=r"line 2 is not JSON"):
        read('{"path": "a.jpg"}\n{"path": b.jpg}\n', "list.jsonl")
    with pytest.raises(ValueError, match=r"line 1: 'label' is a list or an object"):
        read('{"path": "a.jpg", "label": ["x"]}\n', "list.jsonl")


def test_what_is_not_read_is_named(read: Read, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        read("path,colour,Unnamed: 0,weight\na.jpg,red,0,1\n")
    assert (
        "columns that are not read: 'colour', 'weight'. If one is the label, set ingest.columns.label"
        in caplog.text
    )
    caplog.clear()
    read("path,label\na.jpg,cat\n")
    assert not caplog.records, "a list as documented needs no words"


CELLS = (
    st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), min_size=1, max_size=8)
    .map(str.strip)
    .filter(lambda cell: cell not in ("", "nan", "NaN", "NULL", "null", "<NA>", r"\N", "#N/A"))
)


@given(
    labels=st.lists(CELLS, min_size=len(NAMES), max_size=len(NAMES)).filter(
        lambda cells: not all(cell.replace("-", "").replace(".0", "").isdecimal() for cell in cells)
    ),
    separator=st.sampled_from(",;\t|"),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    end=st.sampled_from(["\n", "\r\n"]),
    index=st.booleans(),
    header=st.sampled_from([["path", "label"], ["Filename", " Class "], ["image_path", "LABEL"]]),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_label_survives_any_dialect(
    read: Read, labels: list[str], separator: str, encoding: str, end: str, index: bool, header: list[str]
) -> None:
    frame = pd.DataFrame({"path": NAMES, "label": labels})
    content = frame.to_csv(sep=separator, lineterminator=end, index=index, header=header).encode(encoding)
    if index:
        content = (
            frame.rename(columns=dict(zip(frame, header, strict=True))).to_csv(sep=separator).encode(encoding)
        )
    assert [label for _, label, _ in read(content).values()] == labels
