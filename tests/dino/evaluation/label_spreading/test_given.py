"""Labels that are given: drawn from train's, or read from a CSV that is checked."""

import numpy as np
import pyarrow as pa
import pytest

from dino_pipeline.dino.core.data.manifest import SCHEMA, Manifest
from dino_pipeline.dino.evaluation.label_spreading.given import draw_labels, read_labels
from dino_pipeline.dino.evaluation.label_spreading.spread import (
    Spread,
    measure_spreading,
    spread_table,
    summary,
)


def manifest_of(root, labels):
    rows = [
        {"path": f"{i}.png", "split": "train" if i < 6 else "test", "label": label}
        for i, label in enumerate(labels)
    ]
    rows[1] |= {"path": "photos.zip", "member": "1.png"}
    return Manifest(pa.Table.from_pylist(rows, schema=SCHEMA), root, np.arange(len(rows)))


@pytest.fixture
def images(tmp_path):
    return manifest_of(tmp_path, ["cat", "dog", "cat", None, "dog", "cat", "cat", "eel"])


def test_a_draw_takes_labelled_train_images_of_each_class(images):
    given = draw_labels(images, 0.5, seed=0)
    assert given.class_names == ["cat", "dog"]
    assert set(given.positions.tolist()) <= {0, 1, 2, 4, 5}
    assert sorted(given.labels.tolist()) == [0, 0, 1]


def test_a_draw_from_nothing_says_what_to_give_instead(tmp_path):
    with pytest.raises(ValueError, match=r"label_spreading\.labels to a CSV"):
        draw_labels(manifest_of(tmp_path, [None] * 8), 0.5, seed=0)


def test_a_csv_names_images_by_path_by_member_or_absolutely(images, tmp_path):
    file = tmp_path / "labels.csv"
    file.write_text(f"\ufefflabel,path,note\nb,7.png,x\na,photos.zip:1.png,\na,{tmp_path}/3.png,\n")
    given = read_labels(file, images)
    assert given.positions.tolist() == [1, 3, 7]
    assert given.class_names == ["a", "b"]
    assert given.labels.tolist() == [0, 0, 1]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_list_of_a_spreadsheet_names_images_in_any_spelling(images, tmp_path, encoding):
    (tmp_path / "lists").mkdir()
    file = tmp_path / "lists" / "labels.csv"
    file.write_text(
        f"Label;Image Path\nb;./7.png\na;lists/../3.png\na;..\\4.png\nb;file://{tmp_path}/5.png\n",
        encoding=encoding,
    )
    given = read_labels(file, images)
    assert given.positions.tolist() == [3, 4, 5, 7]
    assert given.labels.tolist() == [0, 0, 1, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("path,label\n0.png,a\nx.png,b\ny.png,b\n", r"line 3: 'x.png' is not in the manifest"),
        ("path,label\n0.png,a\n2.png,b\n0.png,a\n", r"line 4: '0.png' is 'a', but was 'a' in line 2"),
        ("path,label\n0.png,a\n0.png,b\n", r"line 3: '0.png' is 'b', but was 'a' in line 2: keep one"),
        ("path,label\n0.png,\n", r"line 2: '0.png' has no label"),
        ("path,label\n0.png\n", r"line 2: '0.png' has no label"),
        ("path,label\n", "contains no image"),
        ("file\n0.png\n", "has no column of labels: write a CSV with the columns path and label"),
        ("path,label,class\n0.png,a,b\n", "may both be the label: call the right column 'label' in the list"),
        ("", "label_spreading.labels: .* is empty"),
    ],
)
def test_a_faulty_csv_is_refused_by_its_first_fault(images, tmp_path, text, message):
    (tmp_path / "labels.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_labels(tmp_path / "labels.csv", images)


def test_a_csv_that_is_not_there_is_named(images, tmp_path):
    with pytest.raises(ValueError, match=r"no\.csv does not exist"):
        read_labels(tmp_path / "no.csv", images)


def test_only_hidden_labels_are_scored_and_strange_classes_count_as_wrong(images):
    given = draw_labels(images, 0.1, seed=0)  # one cat, one dog
    labels = np.array([0, 1, 0, 0, 0, 0, 0, 0])
    spread = Spread(labels, np.linspace(1, 0.3, 8, dtype=np.float32), None)
    report = measure_spreading(images, given, {"teacher": spread})
    hidden = [i for i in (0, 1, 2, 4, 5) if i not in given.positions]
    expected = np.mean([labels[i] == {"cat": 0, "dog": 1}[images.labels[i]] for i in hidden])
    assert report["results"]["train"]["teacher"]["accuracy"] == pytest.approx(expected)
    # Of test's cat and eel the cat has more confidence, and there is no eel among the given.
    assert report["results"]["test"]["teacher"] == {"accuracy": 0.5, "confident_half": 1.0}
    assert report["num_scored"] == {"train": 3, "test": 2}
    assert report["skipped"] == {"val": "val has no labelled image beyond those given"}
    assert "eel" in report["notes"][0]
    assert "teacher" in summary(report)


def test_the_table_has_a_row_an_image_and_says_which_was_given(images):
    given = draw_labels(images, 0.1, seed=0)
    spread = Spread(np.zeros(8, np.int64), np.ones(8, np.float32), np.tile(np.float32([0.75, 0.25]), (8, 1)))
    table = spread_table(images, given, spread)
    assert table.column_names == [
        *("row_id", "path", "split", "label", "confidence", "source"),
        *("probability of cat", "probability of dog"),
    ]
    assert table["path"].to_pylist()[:2] == ["0.png", "photos.zip:1.png"]
    sources = table["source"].to_pylist()
    assert [i for i, source in enumerate(sources) if source == "given"] == given.positions.tolist()
    assert table["probability of dog"].to_pylist() == [0.25] * 8
