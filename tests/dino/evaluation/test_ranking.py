"""Rankings are scored as the reference implementation scores them, for any chunk of queries."""

import math

import numpy as np
import pytest
import torch

from dino_pipeline.dino.evaluation.ranking import score_rankings, search


def naive_average_precision(ranking, positives, junk):
    """The trapezoids one by one, as Oxford's compute_ap.cpp: junk is skipped, not counted."""
    area, old_recall, old_precision, found, place = 0.0, 0.0, 1.0, 0, 0
    for image in ranking:
        if image in junk:
            continue
        found += image in positives
        place += 1
        recall, precision = found / len(positives), found / place
        area += (recall - old_recall) * (old_precision + precision) / 2
        old_recall, old_precision = recall, precision
    return area


@pytest.mark.golden
def test_scores_are_the_references(golden):
    stored = np.load(golden / "retrieval.npz")
    ranks = torch.from_numpy(stored["ranks"]).T.contiguous()
    relevant, junk = torch.zeros(2, *ranks.shape, dtype=torch.bool)
    for query, row in enumerate(ranks):
        relevant[query] = torch.isin(row, torch.from_numpy(stored[f"query{query}_ok"]))
        junk[query] = torch.isin(row, torch.from_numpy(stored[f"query{query}_junk"]))
    cutoffs = stored["mean_precision_at"].tolist()
    scores = score_rankings(relevant, junk, cutoffs=cutoffs)
    np.testing.assert_allclose(scores.average_precision, stored["average_precisions"], rtol=0, atol=1e-12)
    means = scores.means(cutoffs)
    assert means["mean_average_precision"] == pytest.approx(
        float(stored["mean_average_precision"]), rel=0, abs=1e-12
    )
    np.testing.assert_allclose(
        [means[f"precision_at_{k}"] for k in cutoffs], stored["mean_precision"], rtol=0, atol=1e-12
    )


def test_a_case_worked_by_hand():
    relevant = torch.tensor([[False, True, False, True, False]])
    junk = torch.tensor([[True, False, False, False, False]])
    scores = score_rankings(relevant, junk, cutoffs=[1, 2, 5])
    # Places without junk: 1 and 3. Trapezoids: (1 + 1/1) / 2 and (1/2 + 2/3) / 2, each half the recall.
    assert scores.average_precision.item() == pytest.approx((1 + 7 / 12) / 2)
    assert scores.precision.tolist() == [[1, 1 / 2, pytest.approx(2 / 3)]]
    assert scores.recall.tolist() == [[1, 1, 1]]


@pytest.mark.parametrize("max_pairs", [1, 200, 10**6])
def test_a_search_ranks_as_a_loop_over_queries_does(max_pairs):
    random = np.random.default_rng(0)
    queries, gallery = random.standard_normal((7, 5)), random.standard_normal((60, 5))
    kinds = random.choice(3, size=(7, 60), p=[0.7, 0.2, 0.1])  # other, relevant, junk
    found = search(
        torch.from_numpy(queries),
        torch.from_numpy(gallery),
        relevant=torch.from_numpy(kinds == 1).__getitem__,
        junk=torch.from_numpy(kinds == 2).__getitem__,
        cutoffs=[1, 10],
        max_pairs=max_pairs,
    )
    for query in range(7):
        positives, junk = (set(np.flatnonzero(kinds[query] == kind)) for kind in (1, 2))
        ranking = sorted(range(60), key=lambda image, q=queries[query]: -gallery[image] @ q)
        kept = [image for image in ranking if image not in junk]
        assert found.average_precision[query].item() == pytest.approx(
            naive_average_precision(ranking, positives, junk), abs=1e-12
        )
        hits = [len(positives & set(kept[:k])) for k in (1, 10)]
        assert found.precision[query].tolist() == pytest.approx([hits[0], hits[1] / 10])
        assert found.recall[query].tolist() == [hits[0] > 0, hits[1] > 0]


def test_queries_with_nothing_to_find_are_left_out_of_the_means():
    relevant = torch.tensor([[False, False], [True, False]])
    scores = score_rankings(relevant, torch.zeros_like(relevant), cutoffs=[1])
    assert math.isnan(scores.average_precision[0])
    assert scores.means([1]) == {"mean_average_precision": 1, "precision_at_1": 1, "recall_at_1": 1}
    assert score_rankings(relevant[:1], relevant[:1], cutoffs=[1]).means([1]) == {}


def test_equally_similar_images_rank_by_their_place():
    queries, gallery = torch.ones(1, 3), torch.ones(4, 3)
    wanted = torch.tensor([[False, True, False, False]])
    scores = search(
        queries,
        gallery,
        relevant=wanted.__getitem__,
        junk=torch.zeros_like(wanted).__getitem__,
        cutoffs=[1, 2],
    )
    assert scores.recall.tolist() == [[0, 1]]
