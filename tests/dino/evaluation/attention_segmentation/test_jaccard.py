"""Jaccard indices against the definition and the authors' words."""

import numpy as np
import pytest
import torch
from sklearn.metrics import jaccard_score

from dino_pipeline.dino.evaluation.attention_segmentation.measure import head_jaccards


def test_a_case_worked_by_hand():
    truth = torch.tensor([[1, 1, 0, 255], [2, 0, 0, 255]], dtype=torch.uint8)
    left_half = torch.tensor([[1, 1, 0, 0], [1, 1, 0, 0]]).bool()
    everything = torch.ones(2, 4).bool()
    found = head_jaccards(torch.stack([left_half, everything]), truth)
    # object 1: 2 of 4 and 2 of 6 known pixels; object 2: 1 of 4 and 1 of 6
    torch.testing.assert_close(found, torch.tensor([[2 / 4, 2 / 6], [1 / 4, 1 / 6]]).double())


def test_each_is_scikit_learns_jaccard_of_the_pixels_that_are_not_void():
    generator = np.random.default_rng(0)
    truth = generator.choice([0, 3, 7, 255], (9, 11)).astype(np.uint8)
    masks = generator.random((4, 9, 11)) < 0.5
    found = head_jaccards(torch.from_numpy(masks), torch.from_numpy(truth))
    known = truth != 255
    expected = [[jaccard_score(truth[known] == value, mask[known]) for mask in masks] for value in (3, 7)]
    np.testing.assert_allclose(found, expected, rtol=1e-12)


@pytest.mark.parametrize("value", [0, 255])
def test_background_and_void_are_no_objects(value):
    truth = torch.full((3, 3), value, dtype=torch.uint8)
    assert head_jaccards(torch.ones(2, 3, 3).bool(), truth).shape == (0, 2)
