"""Labelled images are few, drawn by the seed, and never evaluated."""

from dataclasses import replace

import pytest

from dino_pipeline.dino.evaluation.patch_segmentation.split import split_images


def drawn(config, tmp_path):
    return split_images(config, project_folder=tmp_path)


def test_labelled_images_are_drawn_by_the_seed(config, tmp_path):
    first, second = drawn(config, tmp_path), drawn(replace(config, seed=1), tmp_path)
    assert len(first.labelled) == len(set(first.labelled.ids)) == 5
    assert first == drawn(config, tmp_path)
    assert set(first.labelled.ids) != set(second.labelled.ids)
    assert first.evaluated.ids == tuple(f"image_{index:02d}" for index in range(8, 12))


def test_of_one_list_the_rest_is_evaluated(same_list, tmp_path):
    split = drawn(same_list, tmp_path)
    assert len(split.labelled) == 5
    assert len(split.evaluated) == 3
    assert not set(split.labelled.ids) & set(split.evaluated.ids)


def test_more_labels_do_not_change_which_came_first(config, tmp_path):
    few, more = drawn(replace(config, num_labelled_images=2), tmp_path), drawn(config, tmp_path)
    assert more.labelled.ids[:2] == few.labelled.ids
    assert len(drawn(replace(config, num_labelled_images=None), tmp_path).labelled) == 8


def test_too_few_images_are_an_error_in_words(config, same_list, tmp_path):
    with pytest.raises(
        ValueError, match=r"num_labelled_images: the list 'train' has 8 images, but 9 are needed"
    ):
        drawn(replace(config, num_labelled_images=9), tmp_path)
    with pytest.raises(ValueError, match="no image of the list 'train' is left"):
        drawn(replace(same_list, num_labelled_images=None), tmp_path)
    with pytest.raises(ValueError, match=r"patch_segmentation\.folder is not set"):
        drawn(replace(config, folder=None), tmp_path)
