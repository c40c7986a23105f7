"""The manifest reads back what was written, finds its bytes anywhere, and knows its data by content."""

import hashlib
import pickle
import shutil
import tarfile
import zipfile
from multiprocessing import get_context
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from dino_pipeline.dino.core.data.images import UnreadableImageError
from dino_pipeline.dino.core.data.manifest import SCHEMA, Manifest, read_image_bytes, read_manifest

CONTENT = {"a.jpg": b"first", "b.jpg": b"second image", "c.jpg": b"third"}


def write(folder: Path, rows: list[dict[str, object]]) -> Manifest:
    blank = {"member": None, "offset": None, "label": None, "width": 1, "height": 1, "sha256": "0"}
    pq.write_table(pa.Table.from_pylist([blank | row for row in rows], schema=SCHEMA), folder / "m.parquet")
    return read_manifest(folder / "m.parquet", folder)


@pytest.fixture
def manifest(tmp_path: Path) -> Manifest:
    for name, data in CONTENT.items():
        (tmp_path / name).write_bytes(data)
    splits, labels = ["train", "val", "train"], ["cat", "dog", "ant"]
    return write(
        tmp_path,
        [
            {"path": name, "split": split, "label": label, "bytes": len(data), "sha256": name}
            for (name, data), split, label in zip(CONTENT.items(), splits, labels, strict=True)
        ],
    )


def test_a_split_keeps_the_row_ids_of_the_whole_file(manifest: Manifest) -> None:
    train = manifest.split("train")
    assert train.row_ids.tolist() == [0, 2]
    assert [train.read_bytes(i) for i in range(len(train))] == [b"first", b"third"]
    assert len(manifest.split("test")) == 0
    with pytest.raises(ValueError, match="not a split"):
        manifest.split("training")


def test_groups_are_read_and_a_manifest_from_before_there_were_groups_has_none(
    manifest: Manifest, tmp_path: Path
) -> None:
    assert manifest.groups == [None] * 3
    grouped = manifest.table.set_column(len(SCHEMA) - 1, SCHEMA.field("group"), pa.array(["p1", None, "p1"]))
    pq.write_table(grouped, tmp_path / "grouped.parquet")
    assert read_manifest(tmp_path / "grouped.parquet", tmp_path).groups == ["p1", None, "p1"]
    pq.write_table(manifest.table.drop(["group"]), tmp_path / "old.parquet")
    old = read_manifest(tmp_path / "old.parquet", tmp_path)
    assert old.table.equals(manifest.table)
    in_memory = Manifest.from_pandas(manifest.table.drop(["group"]).to_pandas(), tmp_path)
    assert in_memory.table.equals(manifest.table)
    assert read_manifest(tmp_path / "grouped.parquet", tmp_path).digest() == old.digest(), (
        "no weight hangs on it"
    )


def test_what_is_held_out_is_test_then_val_then_train(manifest: Manifest) -> None:
    assert manifest.held_out().row_ids.tolist() == [1]  # val: there is no test
    assert manifest.split("train").held_out().row_ids.tolist() == [0, 2]


def test_labels_become_positions_among_the_given_classes(manifest: Manifest) -> None:
    assert manifest.class_names == ["ant", "cat", "dog"]
    assert manifest.label_indices(["ant", "cat"]).tolist() == [1, -1, 0]
    assert manifest.is_labelled
    assert not manifest.split("test").is_labelled


def test_one_missing_label_makes_it_unlabelled(tmp_path: Path) -> None:
    rows = [{"path": "a", "split": "train", "label": label, "bytes": 0} for label in ("x", None)]
    manifest = write(tmp_path, rows)
    assert not manifest.is_labelled
    assert manifest.label_indices(manifest.class_names).tolist() == [0, -1]


def test_digest_follows_content_label_and_split_but_not_paths(tmp_path: Path) -> None:
    row = {"path": "a", "split": "train", "label": "x", "bytes": 1, "sha256": "h"}
    digest = write(tmp_path, [row]).digest()
    assert write(tmp_path, [row | {"path": "elsewhere", "member": "m"}]).digest() == digest
    changes = [{"sha256": "other"}, {"label": "y"}, {"label": None}, {"label": ""}, {"split": "val"}]
    digests = {digest, *(write(tmp_path, [row | change]).digest() for change in changes)}
    assert len(digests) == 1 + len(changes)


@pytest.mark.usefixtures("manifest")
def test_members_of_tar_and_zip_are_read_in_place(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        for name in CONTENT:
            tar.add(tmp_path / name, name)
    with tarfile.open(tmp_path / "x.tar") as tar:
        offsets = {member.name: member.offset_data for member in tar.getmembers()}
    with zipfile.ZipFile(tmp_path / "x.zip", "w", zipfile.ZIP_DEFLATED) as zipped:
        for name in CONTENT:
            zipped.write(tmp_path / name, name)
    rows = [
        {"path": archive, "member": name, "offset": offset, "split": "train", "bytes": len(data)}
        for name, data in CONTENT.items()
        for archive, offset in (("x.tar", offsets[name]), ("x.zip", None))
    ]
    archived = write(tmp_path, rows)
    assert [archived.read_bytes(i) for i in range(6)] == [data for data in CONTENT.values() for _ in "tz"]


def read_all(manifest: Manifest) -> list[bytes]:
    return [manifest.read_bytes(i) for i in range(len(manifest))]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_workers_read_from_it(manifest: Manifest, method: str) -> None:
    with get_context(method).Pool(2) as pool:
        assert pool.map(read_all, [manifest, manifest.split("val")]) == [
            list(CONTENT.values()),
            [b"second image"],
        ]


def test_a_pickled_split_carries_its_own_rows_only(manifest: Manifest) -> None:
    copy = pickle.loads(pickle.dumps(manifest.split("val")))
    assert copy.labels == ["dog"]
    np.testing.assert_array_equal(copy.row_ids, [1])


def test_a_split_of_most_rows_that_lie_together_is_a_view_and_pickles_without_the_others(
    tmp_path: Path,
) -> None:
    splits = ["train"] * 700 + ["val"] * 300
    whole = write(
        tmp_path,
        [{"path": f"{n}.jpg", "split": s, "bytes": 1, "sha256": f"{n:064}"} for n, s in enumerate(splits)],
    )
    train, val = whole.split("train"), whole.split("val")
    own, shared = (manifest.table["path"].chunk(0).buffers()[2].address for manifest in (whole, train))
    assert shared == own
    assert np.shares_memory(train.places, whole.places)
    assert val.table["path"].chunk(0).buffers()[2].address != own  # few rows let the others go
    for split in (train, val):
        scattered = whole.table.take(np.flatnonzero(np.array(splits) == split.table["split"][0].as_py()))
        assert split.table.equals(scattered)
        assert split.name(len(split) - 1) == f"{split.row_ids[-1]}.jpg"
    pickled = pickle.dumps(train)
    assert b"699.jpg" in pickled
    assert b"700.jpg" not in pickled
    assert pickle.loads(pickled).table.equals(train.table)
    assert train.take(np.array([3, 2])).row_ids.tolist() == [3, 2]


def test_digests_are_those_of_all_rows_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        {"path": "x", "split": "train", "bytes": 1, "sha256": f"{n:064}", "label": [None, "", "cat"][n % 3]}
        for n in range(11)
    ]
    labels = ["" if row["label"] is None else f"={row['label']}" for row in rows]
    train = "".join(f"{row['sha256']}\0{label}\n" for row, label in zip(rows, labels, strict=True))
    unlabelled = "".join(f"{row['sha256']}\0\n" for row in rows)
    whole = "".join(f"train\0{label}\0{row['sha256']}\n" for row, label in zip(rows, labels, strict=True))
    expected = [hashlib.sha256(text.encode()).hexdigest() for text in (train, unlabelled, whole)]
    for chunk in (65536, 4, 1):
        monkeypatch.setattr("dino_pipeline.dino.core.data.manifest._CHUNK", chunk)
        images = write(tmp_path, rows)
        found = [images.training_digest(with_labels=True), images.training_digest(with_labels=False)]
        assert [*found, images.digest()] == expected


@pytest.mark.usefixtures("manifest")
def test_it_moves_with_its_project_folder(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    moved = shutil.copytree(tmp_path, tmp_path_factory.mktemp("new") / "place")
    assert read_manifest(moved / "m.parquet", moved).read_bytes(1) == b"second image"


def test_changed_and_missing_files_say_to_ingest_again(manifest: Manifest, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(b"longer than before")
    (tmp_path / "b.jpg").unlink()
    for position in (0, 1):
        with pytest.raises(ValueError, match="ingest again"):
            manifest.read_bytes(position)


def test_a_missing_or_foreign_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="run the ingest pipeline first"):
        read_manifest(tmp_path / "none.parquet", tmp_path)
    pq.write_table(pa.table({"path": ["a"]}), tmp_path / "other.parquet")
    with pytest.raises(ValueError, match="is not a manifest"):
        read_manifest(tmp_path / "other.parquet", tmp_path)


@pytest.mark.parametrize("path", ["../secret.jpg", "images/../../secret.jpg", ".."])
def test_a_path_that_climbs_out_of_the_project_is_refused(tmp_path: Path, path: str) -> None:
    row = {"path": path, "split": "train", "bytes": 3}
    with pytest.raises(ValueError, match="points outside the project folder"):
        write(tmp_path, [{"path": "..a/b..jpg", "split": "train", "bytes": 3}, row])
    rows = pd.DataFrame([dict.fromkeys(SCHEMA.names) | row])
    with pytest.raises(ValueError, match="points outside the project folder"):
        Manifest.from_pandas(rows, tmp_path)


def zip_of(folder: Path, method: int) -> Path:
    with zipfile.ZipFile(folder / "x.zip", "w", method) as archive:
        for name in ("a.jpg", "b.jpg"):
            archive.writestr(name, np.random.default_rng(0).integers(0, 9, 4000, dtype=np.uint8).tobytes())
    return folder / "x.zip"


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
@pytest.mark.parametrize("damage", [b"\x77" * 40, b"\xff" * 300])
def test_a_damaged_member_is_an_unreadable_image(method: int, damage: bytes, tmp_path: Path) -> None:
    path = zip_of(tmp_path, method)
    data = bytearray(path.read_bytes())
    data[80 : 80 + len(damage)] = damage
    path.write_bytes(data)
    with pytest.raises(UnreadableImageError, match="in the archive") as caught:
        read_image_bytes(str(path), "a.jpg", None, 4000)
    assert caught.value.kind == "corrupt"
    assert len(read_image_bytes(str(path), "b.jpg", None, 4000)) == 4000


def test_an_encrypted_member_and_one_of_an_unknown_method_are_unreadable_images(tmp_path: Path) -> None:
    path = zip_of(tmp_path, zipfile.ZIP_STORED)
    whole = path.read_bytes()
    entry = whole.index(b"PK\x01\x02")
    for offset, value in ((8, 1), (10, 93)):  # the flags and the method in the central directory
        path = tmp_path / f"{offset}.zip"
        path.write_bytes(whole[: entry + offset] + bytes([value]) + whole[entry + offset + 1 :])
        with pytest.raises(UnreadableImageError) as caught:
            read_image_bytes(str(path), "a.jpg", None, 4000)
        assert caught.value.kind in ("cannot be read", "corrupt")
