"""A folder becomes a manifest; what is damaged is set aside with its reason; nothing is read twice."""

import logging
import os
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import tifffile
from PIL import Image

from dino_pipeline.dino.core.data.images_config import ImagesConfig
from dino_pipeline.dino.core.data.manifest import SCHEMA, read_manifest
from dino_pipeline.ingestion import inspection, reading
from dino_pipeline.ingestion.inspection import Limits
from dino_pipeline.ingestion.listing import SourceFile

from .conftest import RunIngest, WriteImage


@pytest.fixture
def folder(tmp_path: Path, write_image: WriteImage) -> Path:
    folder = tmp_path / "photos"
    for number in range(10):
        write_image(folder / "cat" / f"{number}.jpg")
        write_image(folder / "dog" / f"{number}.png")
    return folder


def reasons(table: pd.DataFrame) -> dict[str, str]:
    return {
        Path(path).name: reason.partition(":")[0]
        for path, reason in zip(table["path"], table["reason"], strict=True)
    }


def test_columns_are_the_manifest_schema_and_survive_the_disk(
    folder: Path, run: RunIngest, tmp_path: Path
) -> None:
    result = run(folder)
    result.manifest.to_parquet(tmp_path / "m.parquet")
    manifest = read_manifest(tmp_path / "m.parquet", tmp_path / "project")
    assert manifest.table.schema.equals(SCHEMA)
    assert manifest.digest() == result.summary["digest"]
    assert manifest.class_names == ["cat", "dog"]
    for position, path in enumerate(manifest.table["path"].to_pylist()):
        assert manifest.read_bytes(position) == Path(path).read_bytes()


def test_validation_is_carved_and_test_only_when_asked(folder: Path, run: RunIngest) -> None:
    assert run(folder).summary["splits"] == {"train": 19, "val": 1, "test": 0}
    both = run(folder, test_fraction=0.2).summary["splits"]
    assert sum(both.values()) == 20
    assert both["val"] == 1
    assert 1 <= both["test"] <= 8
    assert run(folder, validation_fraction=0.0).summary["splits"] == {"train": 20, "val": 0, "test": 0}


def test_rows_are_ordered_by_split_then_path(folder: Path, run: RunIngest) -> None:
    manifest = run(folder, test_fraction=0.2).manifest
    order = {"train": 0, "val": 1, "test": 2}
    keys = [(order[split], path) for split, path in zip(manifest["split"], manifest["path"], strict=True)]
    assert keys == sorted(keys)


def test_damaged_files_are_quarantined_with_the_reason(
    folder: Path, run: RunIngest, write_image: WriteImage, caplog: pytest.LogCaptureFixture
) -> None:
    whole = write_image(folder / "cat" / "whole.jpg").read_bytes()
    damaged = {
        "truncated.jpg": whole[: len(whole) // 2],
        "empty.jpg": b"",
        "words.jpg": b"not a picture at all",
        "notes.txt": b"about these photos",
        "header.png": b"\x89PNG\r\n\x1a\n" + bytes(20),
    }
    for name, data in damaged.items():
        (folder / "cat" / name).write_bytes(data)
    write_image(folder / "cat" / "tiny.jpg", size=15)
    Image.new("1", (20_000, 20_000)).save(folder / "cat" / "bomb.png")
    os.mkfifo(folder / "cat" / "pipe.jpg")
    (folder / "cat" / "dangling.jpg").symlink_to("nowhere")
    (folder / "cat" / ".DS_Store").write_bytes(b"hidden, and nobody's image")

    result = run(folder)
    assert reasons(result.quarantine) == {
        "truncated.jpg": "truncated",
        "empty.jpg": "empty",
        "words.jpg": "not an image",
        "notes.txt": "not an image",
        "header.png": "corrupt",
        "tiny.jpg": "too small",
        "bomb.png": "too many pixels",
        "pipe.jpg": "not an image",
        "dangling.jpg": "cannot be read",
    }
    assert len(result.manifest) == 21
    assert result.summary["quarantined"]["not an image"] == 3
    assert "Quarantined 1 cannot be read, 1 corrupt, 1 empty, 3 not an image" in caplog.text
    assert reasons(run(folder).quarantine) == reasons(result.quarantine), "remembered, too"


def test_large_files_are_quarantined_unread(folder: Path, run: RunIngest) -> None:
    with (folder / "cat" / "film.jpg").open("wb") as sparse:
        sparse.truncate(2_000_000)
    assert reasons(run(folder, max_file_megabytes=1).quarantine) == {"film.jpg": "too large a file"}


def test_size_is_that_of_the_upright_image(tmp_path: Path, run: RunIngest) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    (tmp_path / "photos").mkdir()
    for name in ("a.jpg", "b.jpg"):
        colour = (200, 0, 0) if name == "a.jpg" else (0, 200, 0)
        Image.new("RGB", (40, 20), colour).save(tmp_path / "photos" / name, exif=exif)
    manifest = run(tmp_path / "photos", validation_fraction=0.5).manifest
    assert manifest[["width", "height"]].values.tolist() == [[20, 40], [20, 40]]


def test_a_flat_folder_is_unlabelled(tmp_path: Path, write_image: WriteImage, run: RunIngest) -> None:
    for number in range(10):
        write_image(tmp_path / "flat" / f"{number}.jpg")
    result = run(tmp_path / "flat")
    assert result.manifest["label"].isna().all()
    assert not result.summary["is_labelled"]


def test_linked_folders_are_followed_and_links_back_up_are_not(
    folder: Path, tmp_path: Path, run: RunIngest
) -> None:
    (tmp_path / "linked").mkdir()
    for name in ("cat", "dog"):
        (tmp_path / "linked" / name).symlink_to(folder / name)
    (folder / "cat" / "loop").symlink_to(tmp_path / "linked")
    assert len(run(tmp_path / "linked").manifest) == 20


def test_names_in_another_encoding_are_quarantined(folder: Path, run: RunIngest) -> None:
    (folder / "cat" / "0.jpg").rename(folder / "cat" / os.fsdecode(b"caf\xe9.jpg"))
    quarantine = run(folder).quarantine
    assert quarantine["path"].tolist() == [f"{folder}/cat/caf\\xe9.jpg"]
    assert "rename it" in quarantine["reason"][0]


def test_unchanged_files_are_not_read_again(
    folder: Path, run: RunIngest, write_image: WriteImage, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = run(folder).manifest
    # bytes exchanged behind its back: same size and time, so an ingest that read it would see another hash
    victim = folder / "cat" / "3.jpg"
    status, content = victim.stat(), victim.read_bytes()
    victim.write_bytes(bytes(len(content)))
    os.utime(victim, ns=(status.st_atime_ns, status.st_mtime_ns))
    pd.testing.assert_frame_equal(run(folder).manifest, first)

    read: list[str] = []
    inspect = inspection.inspect
    monkeypatch.setattr(
        inspection, "inspect", lambda file, limits: read.append(Path(file.path).name) or inspect(file, limits)
    )
    victim.write_bytes(content)
    write_image(folder / "dog" / "new.png")
    assert len(run(folder).manifest) == 21
    assert read == ["3.jpg", "new.png"], "only what changed"


def test_another_pixel_limit_is_not_answered_from_memory(folder: Path, run: RunIngest) -> None:
    with pytest.raises(ValueError, match="20 too many pixels"):
        run(folder, max_pixels=100)
    assert len(run(folder).manifest) == 20
    assert set(reasons(run(folder, minimum_size=20).quarantine)) == set()
    with pytest.raises(ValueError, match="20 too small"):
        run(folder, minimum_size=21)


def test_two_ingests_and_any_number_of_processes_agree(
    tmp_path: Path, run: RunIngest, write_image: WriteImage
) -> None:
    for number in range(600):  # more than two chunks, else no process is started
        write_image(tmp_path / "many" / str(number % 3) / f"{number}.jpg", size=16)
    alone = run(tmp_path / "many")
    for file in (tmp_path / "project" / "data" / "02_intermediate" / "test").iterdir():
        file.unlink()
    together = run(tmp_path / "many", num_workers=2)
    pd.testing.assert_frame_equal(alone.manifest, together.manifest)
    assert alone.summary == together.summary


def test_paths_inside_the_project_are_relative(folder: Path, tmp_path: Path, run: RunIngest) -> None:
    (tmp_path / "project").mkdir()
    folder.rename(tmp_path / "project" / "photos")
    result = run("photos")
    assert result.manifest["path"][0] == "photos/cat/0.jpg"
    assert run(tmp_path / "project" / "photos").summary["digest"] == result.summary["digest"]


def test_a_source_beside_the_project_has_an_absolute_path(folder: Path, run: RunIngest) -> None:
    assert run("../photos").manifest["path"][0] == str(folder / "cat" / "0.jpg")


def test_an_interrupted_ingest_keeps_what_it_read(
    folder: Path, run: RunIngest, monkeypatch: pytest.MonkeyPatch
) -> None:
    inspect, read = inspection.inspect, []

    def interrupted(file: SourceFile, limits: Limits) -> inspection.Facts:
        read.append(file.name)
        if len(read) == 8:
            raise KeyboardInterrupt
        return inspect(file, limits)

    monkeypatch.setattr(inspection, "inspect", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(folder)
    assert len(run(folder).manifest) == 20
    assert len(read) == 8 + 13


def test_no_process_outlives_a_killed_ingest(tmp_path: Path) -> None:
    program = tmp_path / "inspect_slowly.py"
    program.write_text(
        "import os, sys, time\n"
        "from pathlib import Path\n"
        "from dino_pipeline.ingestion import inspection\n"
        "from dino_pipeline.ingestion.listing import SourceFile\n"
        "def inspect(file, limits):\n"
        "    Path(sys.argv[1], str(os.getpid())).touch()\n"
        "    time.sleep(0.1)\n"
        "inspection.inspect = inspect\n"
        "if __name__ == '__main__':\n"
        "    files = [SourceFile('x', 'x', None, None, 1, 1)] * 2000\n"
        "    list(inspection.inspect_all(files, inspection.Limits(1, 1, None), num_workers=2))\n"
    )
    (tmp_path / "workers").mkdir()
    parent = subprocess.Popen([sys.executable, program, tmp_path / "workers"])
    deadline = time.monotonic() + 60
    while len(workers := [int(path.name) for path in (tmp_path / "workers").iterdir()]) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    parent.kill()
    parent.wait()
    while any(is_running(worker) for worker in workers):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


def test_weak_data_is_named(
    folder: Path, tmp_path: Path, run: RunIngest, write_image: WriteImage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    (tmp_path / "set").mkdir()
    folder = folder.rename(tmp_path / "set" / "train").parent
    write_image(folder / "test" / "horse" / "1.jpg")
    (folder / "test" / "horse" / "2.jpg").write_bytes((folder / "train" / "cat" / "0.jpg").read_bytes())
    write_image(folder / "train" / "nobody.jpg")
    run(folder)
    assert "1 images of test are also in train" in caplog.text
    assert "train has no images of these classes: horse" in caplog.text
    assert "1 images have no label" in caplog.text


def test_images_are_copied_only_when_asked(folder: Path, tmp_path: Path, run: RunIngest) -> None:
    raw = tmp_path / "project" / "data" / "01_raw"
    in_place = run(folder)
    assert not raw.exists()
    copied = run(folder, copy_images=True)
    assert copied.manifest["path"].str.startswith("data/01_raw/photos/").all()
    assert copied.summary["digest"] == in_place.summary["digest"]
    (folder / "cat" / "0.jpg").unlink()
    assert len(run(folder, copy_images=True).manifest) == 19
    (raw / "other").mkdir()
    folder.rename(tmp_path / "other")
    with pytest.raises(ValueError, match="is not a copy of"):
        run(tmp_path / "other", copy_images=True)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (None, "--params=ingest.source=/path/to/photos"),
        ("nowhere", "does not exist"),
        ("embedded:cats", "only photographs and digits"),
    ],
)
def test_a_missing_source_is_a_clear_error(source: str | None, words: str, run: RunIngest) -> None:
    with pytest.raises(ValueError, match=words):
        run(source)


def test_sources_without_images_are_clear_errors(tmp_path: Path, run: RunIngest) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="contains no files"):
        run(tmp_path / "empty")
    (tmp_path / "empty" / "notes.txt").write_text("words")
    with pytest.raises(ValueError, match="no usable image: 1 not an image"):
        run(tmp_path / "empty")
    with pytest.raises(ValueError, match=r"notes\.txt has no column of paths, only the columns 'words'"):
        run(tmp_path / "empty" / "notes.txt")
    (tmp_path / "empty" / "notes.doc").write_text("words")
    with pytest.raises(ValueError, match="neither a folder nor"):
        run(tmp_path / "empty" / "notes.doc")


def test_too_few_images_for_the_splits_are_a_clear_error(
    tmp_path: Path, write_image: WriteImage, run: RunIngest
) -> None:
    write_image(tmp_path / "one" / "1.jpg")
    with pytest.raises(ValueError, match=r"too few to carve val .* set ingest\.validation_fraction"):
        run(tmp_path / "one")


def test_an_image_whose_decoder_lacks_memory_is_quarantined(
    folder: Path, run: RunIngest, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decode(*_: object, **__: object) -> np.ndarray:
        raise MemoryError

    monkeypatch.setattr(reading, "decode_image", decode)
    with pytest.raises(ValueError, match="20 too many pixels"):
        run(folder)


def test_files_are_held_to_the_channels_of_the_training(tmp_path: Path, run: RunIngest) -> None:
    random = np.random.default_rng(0)
    folder = tmp_path / "bands"
    folder.mkdir()
    for name, channels in (("a", 5), ("b", 5), ("c", 4)):
        pixels = random.integers(0, 65536, (20, 24, channels)).astype(np.uint16)
        tifffile.imwrite(folder / f"{name}.tif", pixels, photometric="minisblack", planarconfig="contig")
    Image.fromarray(random.integers(0, 256, (20, 20, 3), dtype=np.uint8)).save(folder / "d.jpg")
    five = run(folder, ImagesConfig(channels=5, bits=16), validation_fraction=0.0)
    assert [Path(path).name for path in five.manifest["path"]] == ["a.tif", "b.tif"]
    assert five.manifest[["width", "height"]].to_numpy().tolist() == [[24, 20]] * 2
    assert five.summary["quarantined"] == {"other channels": 2}
    rgb = run(folder, validation_fraction=0.0)
    assert [Path(path).name for path in rgb.manifest["path"]] == ["d.jpg"], "another reading, another index"
