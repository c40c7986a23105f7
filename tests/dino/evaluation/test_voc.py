"""VOC's layout is read as it is, and what does not fit it is refused in words."""

import numpy as np
import pytest
from PIL import Image

from dino_pipeline.dino.evaluation.voc import list_masked_images

MASK = np.array([[0, 1, 255], [15, 0, 1]], dtype=np.uint8)


@pytest.fixture
def folder(tmp_path):
    """Two images: a mask with a palette, another in grey."""
    root = tmp_path / "voc"
    for kind in ("JPEGImages", "SegmentationClass", "ImageSets/Segmentation"):
        (root / kind).mkdir(parents=True)
    pixels = np.random.default_rng(0).integers(0, 256, (2, 3, 3), dtype=np.uint8)
    for name in ("a", "b"):
        Image.fromarray(pixels).save(root / "JPEGImages" / f"{name}.jpg")
    palette = Image.fromarray(MASK, mode="P")
    palette.putpalette([7, 9, 200] * 256)  # equal colours: what counts is the index
    palette.save(root / "SegmentationClass" / "a.png")
    Image.fromarray(MASK).save(root / "SegmentationClass" / "b.png")
    write_list(root, "a\nb\n\na\n")
    return root


def write_list(root, text):
    (root / "ImageSets" / "Segmentation" / "val.txt").write_text(text)


def listed(folder, split="val", masks="SegmentationClass"):
    given = None if folder is None else folder.name
    parent = None if folder is None else folder.parent
    return list_masked_images(
        given, split, masks=masks, project_folder=parent, parameter="x.folder", split_parameter="x.split"
    )


@pytest.mark.parametrize("name", ["a", "b"])
def test_a_masks_values_are_palette_indices_or_grey(folder, name):
    images = listed(folder)
    assert images.ids == ("a", "b")
    image, mask = images.read(name)
    assert image.shape == (2, 3, 3)
    np.testing.assert_array_equal(mask, MASK)


def test_no_folder_is_told_what_to_give():
    with pytest.raises(ValueError, match=r"x\.folder is not set: .*JPEGImages.*--params=x\.folder=/"):
        listed(None)


def test_a_list_that_is_not_there_is_told_which_are(folder):
    with pytest.raises(
        ValueError, match=r"train\.txt does not exist.* set x\.split to one of its lists \(val\)"
    ):
        listed(folder, split="train")
    with pytest.raises(ValueError, match="it has none"):
        listed(folder / "JPEGImages")


def test_an_empty_list_is_refused(folder):
    write_list(folder, " \n")
    with pytest.raises(ValueError, match="is empty"):
        listed(folder)


@pytest.mark.parametrize("name", ["../a", "deep/../../a", "/etc/passwd", "..\\a", "C:\\a", ".."])
def test_an_id_that_points_outside_is_refused(folder, name):
    write_list(folder, f"a\n{name}\n")
    with pytest.raises(ValueError, match="points outside the folder"):
        listed(folder)


def test_missing_files_are_counted_before_work_starts(folder):
    write_list(folder, "a\nb\nc\n")
    with pytest.raises(ValueError, match=r"2 files .* are missing, such as .*JPEGImages/c\.jpg"):
        listed(folder)
    write_list(folder, "a\n")
    with pytest.raises(ValueError, match="SegmentationObject/a"):
        listed(folder, masks="SegmentationObject")


def test_a_mask_of_colours_or_of_another_size_or_damaged_is_refused(folder):
    images = listed(folder)
    path = folder / "SegmentationClass" / "a.png"
    Image.fromarray(np.zeros((2, 3, 3), np.uint8)).save(path)
    with pytest.raises(ValueError, match="RGB pixels"):
        images.read("a")
    Image.fromarray(MASK.T.copy()).save(path)
    with pytest.raises(ValueError, match=r"image has 3x2 pixels, but the mask in SegmentationClass has 2x3"):
        images.read("a")
    path.write_bytes((folder / "SegmentationClass" / "b.png").read_bytes()[:40])
    with pytest.raises(ValueError, match=r"a\.png cannot be read"):
        images.read("a")
    (folder / "JPEGImages" / "b.jpg").write_bytes(b"no image")
    with pytest.raises(ValueError, match=r"b\.jpg cannot be read"):
        images.read("b")


def test_real_masks_are_read(datasets):
    images = list_masked_images(
        "davis_frames_masks",
        "val",
        masks="SegmentationClass",
        project_folder=datasets,
        parameter="x.folder",
        split_parameter="x.split",
    )
    assert len(images) == 240
    image, mask = images.read("blackswan_00000")
    assert image.shape == (240, 427, 3)
    assert np.unique(mask).tolist() == [0, 1]
