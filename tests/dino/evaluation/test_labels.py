"""Draws of labelled images, class by class, and of whole groups."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from dino_pipeline.dino.core.data.addressing import Domain, generator_at
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


def test_images_without_groups_are_drawn_as_by_the_formula_of_before():
    for seed in range(5):
        drawn = stratified_draw(LABELS, 0.3, seed=seed)
        assert drawn.tolist() == stratified_draw(LABELS, 0.3, seed=seed, groups=[None] * 83).tolist()
        by_hand = []
        for label, count in ((0, 15), (1, 1), (2, 9)):
            members = np.flatnonzero(label == LABELS)
            by_hand += members[
                generator_at(seed, Domain.LABELLED, label).permutation(len(members))[:count]
            ].tolist()
        assert drawn.tolist() == sorted(by_hand)


@given(
    st.lists(st.tuples(st.integers(0, 2), st.sampled_from([None, *"abcdef"])), min_size=1, max_size=40),
    st.integers(0, 5),
)
def test_a_group_is_drawn_whole_or_not_at_all_and_each_class_reaches_its_share(images, seed):
    labels = np.array([label for label, _ in images])
    groups = [group for _, group in images]
    smaller, larger = (set(stratified_draw(labels, share, seed=seed, groups=groups)) for share in (0.2, 0.5))
    assert smaller <= larger
    for drawn, share in ((smaller, 0.2), (larger, 0.5)):
        for group in set(groups) - {None}:
            members = {position for position, other in enumerate(groups) if other == group}
            assert members <= drawn or not members & drawn
        for label in np.unique(labels):
            wanted = max(1, int(share * (labels == label).sum() + 0.5))
            assert sum(labels[position] == label for position in drawn) >= wanted
