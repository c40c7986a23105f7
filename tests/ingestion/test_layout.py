"""Folders are read as splits and classes as a person would read them."""

import logging
from collections.abc import Callable, Mapping

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dino_pipeline.ingestion.layout import arrange


def splits_and_labels(
    *names: str, folders: tuple[str, ...] = (), given: Mapping[str, str | None] | None = None
) -> list[tuple[str | None, str | None]]:
    implied = {name.rpartition("/")[0] for name in names} - {""}
    parents = {"/".join(name.split("/")[:depth]) for name in implied for depth in range(1, 9)}
    return [(place.split, place.label) for place in arrange(names, parents | set(folders), given)]


def test_a_flat_folder_is_unlabelled_train() -> None:
    assert splits_and_labels("1.jpg", "2.jpg") == [("train", None)] * 2


def test_class_folders_are_labels() -> None:
    assert splits_and_labels("cat/1.jpg", "dog/1.jpg") == [("train", "cat"), ("train", "dog")]


def test_split_folders_with_and_without_classes() -> None:
    names = ("train/cat/1.jpg", "train/dog/1.jpg", "valid/cat/2.jpg", "TEST/dog/3.jpg")
    assert splits_and_labels(*names) == [("train", "cat"), ("train", "dog"), ("val", "cat"), ("test", "dog")]
    assert splits_and_labels("train/1.jpg", "validation/2.jpg") == [("train", None), ("val", None)]


def test_deeper_folders_belong_to_their_class() -> None:
    assert splits_and_labels("cat/2023/may/1.jpg", "dog/1.jpg") == [("train", "cat"), ("train", "dog")]


def test_a_folder_around_everything_is_passed_through() -> None:
    names = ("set/v1/train/cat/1.jpg", "set/v1/train/dog/2.jpg", "set/v1/test/dog/3.jpg")
    assert splits_and_labels(*names) == [("train", "cat"), ("train", "dog"), ("test", "dog")]
    names = ("train/images/cat/1.jpg", "test/images/dog/2.jpg")
    assert splits_and_labels(*names) == [("train", "cat"), ("test", "dog")]


def test_one_class_alone_is_no_label() -> None:
    assert splits_and_labels("photos/1.jpg", "photos/2.jpg") == [("train", None)] * 2


def test_train_among_other_classes_is_a_class(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        assert splits_and_labels("train/1.jpg", "tram/2.jpg") == [("train", "train"), ("train", "tram")]
    assert "is read as a class" in caplog.text


def test_images_beside_split_folders_are_in_none() -> None:
    names = ("train/1.jpg", "test/2.jpg", "unlabeled/3.jpg", "4.jpg")
    assert splits_and_labels(*names) == [("train", None), ("test", None), (None, None), (None, None)]


def test_a_split_folder_without_images_is_an_error() -> None:
    with pytest.raises(ValueError, match="'val' has no usable image: add some, or remove the folder"):
        splits_and_labels("train/1.jpg", folders=("val",))
    with pytest.raises(ValueError, match="'val'"):
        splits_and_labels("set/train/cat/1.jpg", "set/test/cat/1.jpg", folders=("set/val", "set/val/cat"))


def test_held_out_images_without_train_are_an_error() -> None:
    with pytest.raises(ValueError, match="no train folder, only test, val"):
        splits_and_labels("val/1.jpg", "test/2.jpg")


@pytest.mark.parametrize(
    ("train", "held_out", "split"),
    [
        ("training_set", "test_set", "test"),
        ("Training", "Testing", "test"),
        ("trainset", "testset", "test"),
        ("train_images", "val_images", "val"),
        ("train2017", "val2017", "val"),
        ("TrainSet", "ValidationSet", "val"),
        ("train-data", "dev-data", "val"),
        ("seg_train", "seg_test", "test"),
        ("seg_train/seg_train", "seg_test/seg_test", "test"),
        ("ILSVRC2012_img_train", "ILSVRC2012_img_val", "val"),
        ("set/training_set/training_set", "set/test_set/test_set", "test"),
    ],
)
def test_folders_that_name_splits_otherwise_are_read_as_splits(
    train: str, held_out: str, split: str, caplog: pytest.LogCaptureFixture
) -> None:
    names = (f"{train}/cat/1.jpg", f"{train}/dog/1.jpg", f"{held_out}/cat/2.jpg")
    assert splits_and_labels(*names) == [("train", "cat"), ("train", "dog"), (split, "cat")]
    if train != "Training":
        assert "To change that, set ingest.splits." in caplog.text


def test_splits_in_each_class_are_splits(caplog: pytest.LogCaptureFixture) -> None:
    names = ("cats/train/1.jpg", "cats/test/2.jpg", "dogs/train/a/3.jpg", "dogs/val/4.jpg")
    expected = [("train", "cats"), ("test", "cats"), ("train", "dogs"), ("val", "dogs")]
    assert splits_and_labels(*names) == expected
    assert splits_and_labels(*(f"set/{name}" for name in names)) == expected
    assert "The folders in each class are read as splits: test is test" in caplog.text
    caplog.clear()
    given = {"train": "train", "test": "test", "val": "val"}
    assert splits_and_labels(*names, given=given) == expected
    assert not caplog.records


@pytest.mark.parametrize(
    ("names", "asked"),
    [
        (("fold_1/a/1.jpg", "fold_2/a/2.jpg"), "fold_1"),
        (("holdout/1.jpg", "train/1.jpg"), "holdout"),
        (("trainval/1.jpg", "test/1.jpg", "x/1.jpg"), "trainval"),
        (("test/1.jpg", "cat/1.jpg", "dog/1.jpg"), "test"),
        (("test_set/1.jpg", "cat/1.jpg"), "test_set"),
        (("train/cat/1.jpg", "train/dog/1.jpg", "unlabelled/1.jpg"), "train"),
        (("cats_train/1.jpg", "dogs_test/1.jpg"), "cats_train"),
        (("cats/train/1.jpg", "cats/test/1.jpg", "dogs/1.jpg"), "test"),
        (("cats/fold1/1.jpg", "dogs/fold2/1.jpg"), "fold1"),
        (("a/b/train/1.jpg", "a/b/test/1.jpg", "c/b/test/1.jpg"), "test"),
    ],
)
def test_a_folder_that_may_be_a_split_is_asked_about(names: tuple[str, ...], asked: str) -> None:
    with pytest.raises(
        ValueError, match=f"is '{asked}' a split.*Set ingest.splits.{asked} to train"
    ) as error:
        splits_and_labels(*names)
    assert "\n" not in str(error.value)


def test_the_user_says_what_is_a_split() -> None:
    names = ("fold_1/1.jpg", "fold_2/2.jpg", "fold_3/3.jpg")
    given = {"fold_1": "train", "fold_2": "test"}
    with pytest.raises(ValueError, match="'fold_3' a split"):
        splits_and_labels(*names, given={"fold_1": None, "fold_2": None})
    assert [split for split, _ in splits_and_labels(*names, given=given)] == ["train", "test", None]
    assert splits_and_labels("train/1.jpg", "test/1.jpg", given={"train": None, "test": None}) == [
        ("train", "train"),
        ("train", "test"),
    ]
    assert splits_and_labels("good/1.jpg", "Extra/1.jpg", given={"good": "train", "extra": "val"}) == [
        ("train", None),
        ("val", None),
    ]


def test_words_that_only_contain_a_split_stay_classes(caplog: pytest.LogCaptureFixture) -> None:
    names = ("bullet_train/1.jpg", "test_tube/1.jpg", "cat/1.jpg", "contest/1.jpg")
    assert [label for _, label in splits_and_labels(*names)] == [
        "bullet_train",
        "test_tube",
        "cat",
        "contest",
    ]
    assert "The folder test_tube is read as a class" in caplog.text


@given(
    before=st.sampled_from(["", "seg_", "my-", "ImageNet "]),
    words=st.permutations(["train", "val", "test"]),
    after=st.sampled_from(["", "_set", "Images", "2017", " data"]),
    style=st.sampled_from([str, str.upper, str.title, str.lower]),
    classes=st.sampled_from([("cat", "dog"), ("1", "2"), ("train_station", "airport")]),
)
@settings(max_examples=80)
def test_a_split_is_found_in_any_spelling(
    before: str, words: list[str], after: str, style: Callable[[str], str], classes: tuple[str, str]
) -> None:
    folders = {word: style(before + word + after) for word in words}
    names = [f"{folders[word]}/{name}/1.jpg" for word in words for name in classes]
    expected = [(word, name) for word in words for name in classes]
    assert splits_and_labels(*names) == expected
