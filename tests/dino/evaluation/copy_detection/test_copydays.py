"""The layout of Copydays is read, and what is not laid out so is named."""

import shutil

import pytest

from dino_pipeline.dino.evaluation.copy_detection.copydays import read_copydays

ATTACKS = ("strong", "jpegqual/5", "jpegqual/50", "crops/50")


def test_copies_are_matched_to_their_originals_by_four_characters(folder):
    copydays = read_copydays(folder)
    assert len(copydays.originals) == 3
    assert tuple(copydays.attacks) == ATTACKS
    assert copydays.attacks["strong"].originals == [1, 2, 2]
    assert copydays.attacks["crops/50"].originals == [0, 1, 2]


def test_real_photographs_of_the_same_layout_are_read(datasets):
    copydays = read_copydays(datasets / "copydetect_caltech")
    sizes = {attack: len(copies.images) for attack, copies in copydays.attacks.items()}
    assert len(copydays.originals) == 98
    assert sizes == {"strong": 196, "jpegqual/5": 98, "jpegqual/15": 98, "jpegqual/50": 98, "crops/50": 98}
    listed = (datasets / "copydetect_caltech" / "strong_groundtruth.csv").read_text().splitlines()[1:]
    names = copydays.originals.table["path"].to_pylist()
    strong = copydays.attacks["strong"]
    found = dict(zip(strong.images.table["path"].to_pylist(), strong.originals, strict=True))
    assert {line.split(",")[0]: line.split(",")[1] for line in listed} == {
        copy: names[original] for copy, original in found.items()
    }


@pytest.mark.parametrize(
    ("gone", "problem"),
    [
        (["original"], r"copy_detection\.folder: .* has no original/"),
        (["original/200100.jpg"], r"strong/200101\.jpg is not a copy of any file in original/"),
        (ATTACKS, "has no copies"),
    ],
)
def test_what_is_missing_is_named(folder, gone, problem):
    for name in gone:
        path = folder / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    with pytest.raises(ValueError, match=problem):
        read_copydays(folder)


def test_two_originals_of_one_name_are_refused(folder):
    shutil.copy(folder / "original" / "200000.jpg", folder / "original" / "200009.jpg")
    with pytest.raises(ValueError, match="same four characters"):
        read_copydays(folder)
