"""Draws of labelled images, class by class."""

import numpy as np

from dino_pipeline.dino.evaluation.labels import stratified_draw

LABELS = np.array([0] * 50 + [2] * 30 + [1] * 3)


def test_each_class_gives_its_share_and_one_image_at_least():
    drawn = stratified_draw(LABELS, 0.1, seed=0)
    assert np.bincount(LABELS[drawn]).tolist() == [5, 1, 3]
    assert (np.diff(drawn) > 0).all()


def test_a_seed_draws_again_what_it_drew_and_another_something_else():
    assert stratified_draw(LABELS, 0.1, seed=1).tolist() == stratified_draw(LABELS, 0.1, seed=1).tolist()
    assert stratified_draw(LABELS, 0.1, seed=1).tolist() != stratified_draw(LABELS, 0.1, seed=2).tolist()


def test_a_smaller_draw_is_part_of_a_larger_one_and_all_is_all():
    assert set(stratified_draw(LABELS, 0.05, seed=3)) < set(stratified_draw(LABELS, 0.4, seed=3))
    assert stratified_draw(LABELS, 1.0, seed=3).tolist() == list(range(83))
