"""A folder that is not whole is refused in a line that says what is missing."""

import dataclasses
import shutil

import numpy as np
import pytest
from PIL import Image

from dino_pipeline.dino.evaluation.video_segmentation.videos import (
    list_videos,
    read_annotation,
    read_first_annotation,
)


def test_videos_come_in_the_image_sets_order_with_frames_in_theirs(davis, config):
    first, second = list_videos(davis, config)
    assert (first.name, second.name) == ("two-squares", "one-square")
    assert [file.name for file in first.frames] == [f"{index:05d}.jpg" for index in range(5)]
    assert first.annotations[3] == davis / "Annotations/480p/two-squares/00003.png"
    assert [video.name for video in list_videos(davis, dataclasses.replace(config, max_videos=1))] == [
        "two-squares"
    ]


def test_another_layout_is_refused(davis, config):
    (davis / "ImageSets/2017/val.txt").unlink()
    with pytest.raises(ValueError, match=r"folder .* has no ImageSets/2017/val\.txt"):
        list_videos(davis, config)


@pytest.mark.parametrize("name", ["../secret", "..", "/etc", "a/b", "a\\b"])
def test_a_name_that_leads_out_of_the_folder_is_refused(davis, config, name):
    (davis / "ImageSets/2017/val.txt").write_text(f"{name}\n")
    with pytest.raises(ValueError, match="a name must be that of one folder"):
        list_videos(davis, config)


def test_a_missing_first_annotation_is_named(davis, config, annotations):
    (annotations / "one-square/00000.png").unlink()
    with pytest.raises(
        ValueError, match=r"one-square.00000\.png is missing, but the first frame's annotation"
    ):
        list_videos(davis, config)


def test_a_later_missing_annotation_is_named(davis, config, annotations):
    (annotations / "one-square/00002.png").unlink()
    with pytest.raises(ValueError, match=r"00002\.png is missing \(1 of 5 in one-square\)"):
        list_videos(davis, config)


def test_a_video_without_frames_is_named(davis, config):
    shutil.rmtree(davis / "JPEGImages/480p/one-square")
    with pytest.raises(ValueError, match=r"one-square has 0 \.jpg frames"):
        list_videos(davis, config)


def test_an_empty_image_set_is_refused(davis, config):
    (davis / "ImageSets/2017/val.txt").write_text("\n")
    with pytest.raises(ValueError, match="lists no video"):
        list_videos(davis, config)


def test_void_is_background(annotations):
    file = annotations / "one-square/00000.png"
    labels = np.array(Image.open(file))
    labels[:5] = 255
    Image.fromarray(labels).save(file)
    assert read_annotation(file)[:5].max() == 0
    np.testing.assert_array_equal(read_annotation(file)[5:], labels[5:])


def test_an_annotation_without_an_object_is_refused(davis, config, annotations):
    Image.fromarray(np.full((40, 70), 255, np.uint8)).save(annotations / "two-squares/00000.png")
    with pytest.raises(ValueError, match="shows no object: number them from 1"):
        read_first_annotation(list_videos(davis, config)[0])


def test_a_colour_picture_is_no_annotation(annotations):
    Image.new("RGB", (70, 40)).save(annotations / "one-square/00000.png")
    with pytest.raises(ValueError, match="mode RGB: an annotation must be an indexed PNG"):
        read_annotation(annotations / "one-square/00000.png")
