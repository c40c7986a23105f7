"""Results are kept whole or not at all, found only undamaged, and cleaned up by their last use."""

import os
import shutil
import time
from pathlib import Path

import pytest

from dino_pipeline.project.results import Draft, ResultStore, clean_up, content_digest


@pytest.fixture
def store(tmp_path: Path) -> ResultStore:
    return ResultStore(tmp_path / "results")


@pytest.fixture
def outputs(tmp_path: Path) -> dict[str, Path]:
    """A file and a folder as a node leaves them."""
    folder = tmp_path / "data" / "masks"
    (folder / "a").mkdir(parents=True)
    (folder / "a" / "1.png").write_bytes(b"one")
    (folder / "b.png").write_bytes(b"two")
    (tmp_path / "data" / "metrics.json").write_text("{}")
    return {"metrics": tmp_path / "data" / "metrics.json", "masks": folder}


def keep(store: ResultStore, outputs: dict[str, Path]) -> Path:
    with store.making("evaluate", "k1") as draft:
        (draft.records_folder / "page.txt").write_text("logged")
        draft.complete(outputs, messages=["52 %"], records=[{"kind": "tags", "run": "f"}])
    return store.folder / "evaluate" / "k1"


def test_a_result_brings_back_files_and_folders(store: ResultStore, outputs: dict[str, Path]) -> None:
    keep(store, outputs)
    outputs["metrics"].unlink()
    shutil.rmtree(outputs["masks"])
    result = store.find("evaluate", "k1")
    assert result is not None
    result.restore(outputs)
    assert outputs["metrics"].read_text() == "{}"
    assert (outputs["masks"] / "a" / "1.png").read_bytes() == b"one"
    assert (outputs["masks"] / "b.png").read_bytes() == b"two"
    assert result.description.messages == ("52 %",)
    assert result.description.records == ({"kind": "tags", "run": "f"},)
    assert store.find("evaluate", "k2") is None
    assert store.find("probe", "k1") is None


def test_other_content_is_replaced_and_equal_content_stays(
    store: ResultStore, outputs: dict[str, Path]
) -> None:
    keep(store, outputs)
    outputs["metrics"].unlink()
    outputs["metrics"].write_text('{"other": 1}')
    (outputs["masks"] / "c.png").write_bytes(b"of another run")
    before = (outputs["masks"] / "b.png").stat().st_ino
    result = store.find("evaluate", "k1")
    assert result is not None
    result.restore(outputs)
    assert outputs["metrics"].read_text() == "{}"
    assert not (outputs["masks"] / "c.png").exists()
    result.restore(outputs)
    assert (outputs["masks"] / "b.png").stat().st_ino == before  # linked, not copied
    assert not [path for path in outputs["metrics"].parent.iterdir() if path.name.startswith(".partial")]


@pytest.mark.parametrize("damage", ["metrics", "masks/a/1.png", "result.json", "records/page.txt"])
def test_a_damaged_result_is_none(store: ResultStore, outputs: dict[str, Path], damage: str) -> None:
    file = keep(store, outputs) / damage
    content = file.read_bytes()
    file.unlink()
    file.write_bytes(content[:-1])
    assert store.find("evaluate", "k1") is None
    assert not (store.folder / "evaluate" / "k1").exists()


def test_a_missing_file_of_a_result_is_damage(store: ResultStore, outputs: dict[str, Path]) -> None:
    (keep(store, outputs) / "masks" / "b.png").unlink()
    assert store.find("evaluate", "k1") is None


def test_a_failed_or_killed_node_leaves_no_result(store: ResultStore, outputs: dict[str, Path]) -> None:
    def fail(draft: Draft) -> None:
        (draft.records_folder / "half").write_text("")
        raise RuntimeError

    with pytest.raises(RuntimeError), store.making("evaluate", "k1") as draft:
        fail(draft)
    assert list((store.folder / "evaluate").iterdir()) == []
    # A kill removes nothing: the files lie under a hidden name, and the next one removes them.
    left = store.folder / "evaluate" / ".partial-999999-k1"
    (left / "records").mkdir(parents=True)
    (left / "result.json").write_text("{}")
    assert store.find("evaluate", "k1") is None
    keep(store, outputs)
    assert not left.exists()
    assert store.find("evaluate", "k1")


def test_an_existing_result_is_replaced(store: ResultStore, outputs: dict[str, Path]) -> None:
    keep(store, outputs)
    outputs["metrics"].unlink()
    outputs["metrics"].write_text('{"again": 1}')
    folder = keep(store, outputs)
    assert (folder / "metrics").read_text() == '{"again": 1}'
    assert store.find("evaluate", "k1")


def test_a_digest_is_of_names_and_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "x").write_bytes(b"1")
    digest = content_digest(tmp_path / "a")
    assert content_digest(shutil.copytree(tmp_path / "a", tmp_path / "b")) == digest
    (tmp_path / "b" / "x").rename(tmp_path / "b" / "y")
    assert content_digest(tmp_path / "b") != digest
    assert content_digest(tmp_path / "a" / "x") == (
        "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"  # sha256sum of the character 1
    )
    assert content_digest(tmp_path / "nothing") == ""


def test_clean_up_removes_what_is_unused_and_counts_what_that_frees(
    store: ResultStore, outputs: dict[str, Path]
) -> None:
    folder = keep(store, outputs)
    with store.making("probe", "k2") as draft:
        draft.complete(outputs, messages=[], records=[])
    week_ago = time.time() - 7 * 86400
    os.utime(folder / "result.json", (week_ago, week_ago))
    own = (folder / "result.json").stat().st_size + len("logged")
    counted = clean_up(store.folder, unused_days=5, is_dry_run=True)
    # The outputs have other names, in data/ and in the other result: they free nothing.
    assert counted == (1, own, 1, (store.folder / "probe" / "k2" / "result.json").stat().st_size)
    assert folder.is_dir()
    assert clean_up(store.folder, unused_days=5, is_dry_run=False) == counted
    assert not folder.exists()
    shutil.rmtree(outputs["masks"])
    outputs["metrics"].unlink()
    freed = clean_up(store.folder, unused_days=0, is_dry_run=False)
    assert freed.bytes_freed == counted.bytes_left + len(b"one" + b"two" + b"{}")
    assert freed.num_left == 0


def test_clean_up_takes_half_a_result_for_a_leftover(store: ResultStore, outputs: dict[str, Path]) -> None:
    """A kill may come while a folder is being removed."""
    folder = keep(store, outputs)
    (folder / "result.json").unlink()
    assert clean_up(store.folder, unused_days=0, is_dry_run=False).num_left == 1
    week_ago = time.time() - 7 * 86400
    os.utime(folder, (week_ago, week_ago))
    assert clean_up(store.folder, unused_days=0, is_dry_run=False).num_removed == 1
    assert not folder.exists()


def test_clean_up_leaves_a_result_in_the_making(store: ResultStore, outputs: dict[str, Path]) -> None:
    with store.making("evaluate", "k1") as draft:
        assert clean_up(store.folder, unused_days=0, is_dry_run=False).num_removed == 0
        draft.complete(outputs, messages=[], records=[])
    assert store.find("evaluate", "k1")


def test_a_use_is_remembered(store: ResultStore, outputs: dict[str, Path]) -> None:
    folder = keep(store, outputs)
    week_ago = time.time() - 7 * 86400
    os.utime(folder / "result.json", (week_ago, week_ago))
    result = store.find("evaluate", "k1")
    assert result is not None
    result.restore(outputs)
    assert clean_up(store.folder, unused_days=5, is_dry_run=False).num_removed == 0
