"""Folders of images as manifests."""

import os

import numpy as np
import pytest
from PIL import Image

from dino_pipeline.dino.core.data.images import decode_rgb
from dino_pipeline.dino.evaluation.image_files import (
    all_readable,
    images_in,
    named_images,
    read_rgb,
    readable,
)


@pytest.fixture
def folder(tmp_path):
    for name, grey in (("b.png", 20), ("a.JPG", 200), ("c.txt", 0)):
        Image.new("RGB", (8, 8), (grey,) * 3).save(tmp_path / name, format="PNG")
    return tmp_path


def test_image_files_are_listed_by_name_and_can_be_read(folder):
    images = images_in(folder)
    assert images.table["path"].to_pylist() == ["a.JPG", "b.png"]
    assert np.unique(decode_rgb(images.read_bytes(1))).tolist() == [20]
    assert images.labels == [None, None]


def test_what_is_not_there_is_named(folder, tmp_path):
    with pytest.raises(ValueError, match=r"lacks 1 of 2 images, such as d\.png"):
        named_images(folder, ["b.png", "d.png"])
    with pytest.raises(ValueError, match="is not a folder"):
        images_in(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="contains no image"):
        images_in(tmp_path / "empty")


def test_what_is_no_file_is_left_out_and_named(folder, caplog):
    os.mkfifo(folder / "pipe.jpg")
    (folder / "dangling.png").symlink_to("/nowhere")
    (folder / "loop.png").symlink_to("loop.png")
    (folder / "folder.jpg").mkdir()
    assert images_in(folder).table["path"].to_pylist() == ["a.JPG", "b.png"]
    assert "left out 4 files: dangling.png, folder.jpg, loop.png (no file)" in caplog.text


def test_unreadable_images_are_left_out_of_a_set_and_refused_in_a_benchmark(folder, caplog):
    (folder / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0")
    (folder / "empty.png").touch()
    images = images_in(folder)
    assert readable(images).table["path"].to_pylist() == ["a.JPG", "b.png"]
    assert "left out 2 files: cut.jpg, empty.png" in caplog.text
    with pytest.raises(ValueError, match=r"2 of 4 images cannot be read, such as cut.jpg \(corrupt"):
        all_readable(images)
    with pytest.raises(ValueError, match=r"none of 2 images can be read, such as cut\.jpg"):
        readable(named_images(folder, ["cut.jpg", "empty.png"]))


def test_an_image_of_a_benchmark_that_cannot_be_read_is_named(folder):
    assert read_rgb(folder / "b.png").shape == (8, 8, 3)
    (folder / "words.jpg").write_text("words")
    os.mkfifo(folder / "pipe.jpg")
    for name, reason in (("words.jpg", "not an image"), ("pipe.jpg", "pipe"), ("gone.jpg", "No such file")):
        with pytest.raises(ValueError, match=rf"{name} cannot be read \(.*{reason}.*\): restore it"):
            read_rgb(folder / name)


def test_an_archive_in_place_of_a_folder_says_what_to_do(folder):
    (folder / "x.zip").write_bytes(b"PK\x03\x04")
    with pytest.raises(ValueError, match="is not a folder: unpack it"):
        images_in(folder / "x.zip")
