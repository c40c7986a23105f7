"""Folders of images as manifests."""

import numpy as np
import pytest
from PIL import Image

from dino_pipeline.dino.core.data.images import decode_rgb
from dino_pipeline.dino.evaluation.image_files import images_in, named_images


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
