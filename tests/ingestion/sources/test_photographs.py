"""Tiles of the embedded photographs are whole, theirs, and share no pixel between splits."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from dino_pipeline.ingestion.config import IngestConfig, PhotographsConfig
from dino_pipeline.ingestion.sources.photographs import PHOTOGRAPHS, cut, read_photograph, write_photographs

from ..conftest import RunIngest


@pytest.fixture
def few(config: IngestConfig) -> PhotographsConfig:
    """The configuration in force with fewer tiles, since writing thousands takes seconds."""
    return replace(config.photographs, max_tiles=14)


@pytest.mark.parametrize("name", PHOTOGRAPHS)
def test_no_pixel_is_in_two_splits(name: str, config: IngestConfig) -> None:
    photograph = read_photograph(name)
    size = config.photographs.tile_size
    covers = {}
    for split, tiles in cut(photograph, config.photographs).items():
        covers[split] = np.zeros(photograph.shape[:2], dtype=bool)
        for top, left in tiles:
            assert 0 <= top <= photograph.shape[0] - size
            assert 0 <= left <= photograph.shape[1] - size
            covers[split][top : top + size, left : left + size] = True
        assert len(set(tiles)) == len(tiles) > 0
    assert not (covers["train"] & covers["val"]).any()
    assert not (covers["train"] & covers["test"]).any()
    assert not (covers["val"] & covers["test"]).any()


def test_files_hold_the_pixels_that_were_cut(tmp_path: Path, few: PhotographsConfig) -> None:
    write_photographs(tmp_path / "photographs", few)
    for name in ("retina", "page"):
        photograph = read_photograph(name)
        for split, tiles in cut(photograph, few).items():
            files = sorted((tmp_path / "photographs" / split / name).iterdir())
            assert len(files) == len(tiles)
            for file, (top, left) in zip(files, tiles, strict=True):
                np.testing.assert_array_equal(
                    np.asarray(Image.open(file)), photograph[top : top + 48, left : left + 48]
                )


def test_ingested_photographs_are_the_labels_and_no_image_occurs_twice_across_splits(
    run: RunIngest, few: PhotographsConfig
) -> None:
    result = run("embedded:photographs", photographs=few)
    assert set(result.manifest["label"]) == set(PHOTOGRAPHS)
    assert all(result.manifest.groupby("split")["label"].nunique() == len(PHOTOGRAPHS))
    assert result.summary["held_out_images_also_in_train"] == {"val": 0, "test": 0}
    assert result.quarantine.empty


def test_they_are_written_once(tmp_path: Path, few: PhotographsConfig) -> None:
    folder = tmp_path / "photographs"
    write_photographs(folder, few)
    files = {path: path.read_bytes() for path in folder.rglob("*.png")}
    inode = folder.stat().st_ino
    write_photographs(folder, few)
    assert folder.stat().st_ino == inode

    next(iter(files)).unlink()  # incomplete: written anew, to the same bytes
    write_photographs(folder, few)
    assert {path: path.read_bytes() for path in folder.rglob("*.png")} == files


def test_a_folder_of_that_name_with_other_files_is_left_alone(tmp_path: Path, few: PhotographsConfig) -> None:
    (tmp_path / "photographs").mkdir()
    (tmp_path / "photographs" / "holiday.jpg").write_bytes(b"")
    with pytest.raises(ValueError, match="was not written by ingest"):
        write_photographs(tmp_path / "photographs", few)


def test_tiles_larger_than_a_split_are_a_clear_error(few: PhotographsConfig) -> None:
    with pytest.raises(ValueError, match="make tile_size smaller"):
        cut(np.ones((100, 100, 3), dtype=np.uint8), few)
