"""Where a copy's original comes, and what that is worth."""

import numpy as np
import torch

from dino_pipeline.dino.evaluation.copy_detection.detect import average_precision_of_one, original_ranks
from dino_pipeline.dino.evaluation.ranking import score_rankings


def test_ranks_are_places_in_the_sorted_gallery():
    random = torch.Generator().manual_seed(0)
    copies = torch.randint(-2, 3, (9, 4), generator=random).float()  # so small that many are equally similar
    gallery = torch.randint(-2, 3, (30, 4), generator=random).float()
    originals = torch.randint(0, 30, (9,), generator=random)
    order = (copies @ gallery.T).argsort(dim=1, descending=True, stable=True)
    expected = [
        row.tolist().index(original) + 1 for row, original in zip(order, originals.tolist(), strict=True)
    ]
    assert original_ranks(copies, originals, gallery).tolist() == expected


def test_the_average_precision_of_one_image_is_that_of_its_ranking():
    ranks = torch.arange(1, 31)
    relevant = torch.eye(30, dtype=torch.bool)
    expected = score_rankings(relevant, torch.zeros_like(relevant), cutoffs=[1]).average_precision
    np.testing.assert_allclose(average_precision_of_one(ranks, depth=30), expected, atol=1e-12)
    cut = average_precision_of_one(ranks, depth=20)
    np.testing.assert_allclose(cut[:20], expected[:20], atol=1e-12)
    assert not cut[20:].any()
