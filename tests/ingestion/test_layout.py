"""Folders are read as splits and classes as a person would read them."""

import logging

import pytest

from dino_pipeline.ingestion.layout import arrange


def splits_and_labels(*names: str, folders: tuple[str, ...] = ()) -> list[tuple[str | None, str | None]]:
    implied = {name.rpartition("/")[0] for name in names} - {""}
    parents = {"/".join(name.split("/")[:depth]) for name in implied for depth in range(1, 9)}
    return [(place.split, place.label) for place in arrange(names, parents | set(folders))]


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
