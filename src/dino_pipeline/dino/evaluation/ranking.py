"""Scores of rankings: average precision as defined by Oxford, Paris and Holidays, precision and recall at k.

Average precision is the area under the precision-recall curve, by trapezoids (Philbin et al., CVPR 2007). Junk images
are removed from the ranking first (Radenović et al., arXiv:1803.11285).
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

# Pairs of a query and a gallery image that are ranked at once; about 70 bytes each.
_MAX_PAIRS = 2**23

# From a slice of queries to bool [queries, gallery]: which gallery images are relevant (or junk) for each.
Relevance = Callable[[slice], Tensor]


class RankingScores(NamedTuple):
    """Scores of each query, float64; nan if the gallery holds nothing relevant."""

    average_precision: Tensor  # [queries]
    precision: Tensor  # [queries, cutoffs]
    recall: Tensor  # [queries, cutoffs]: 1 if a relevant image is among the first k, else 0

    def means(self, cutoffs: Sequence[int]) -> dict[str, float]:
        """Means over the queries with relevant images; empty if there are none.

        Args:
            cutoffs: the k of the scores.
        """
        counted = ~self.average_precision.isnan()
        if not counted.any():
            return {}
        values = {"mean_average_precision": float(self.average_precision[counted].mean())}
        for name, scores in (("precision", self.precision), ("recall", self.recall)):
            means = scores[counted].mean(dim=0).tolist()
            values |= {f"{name}_at_{k}": mean for k, mean in zip(cutoffs, means, strict=True)}
        return values


def search(
    queries: Tensor,
    gallery: Tensor,
    *,
    relevant: Relevance,
    junk: Relevance,
    cutoffs: Sequence[int],
    max_pairs: int = _MAX_PAIRS,
) -> RankingScores:
    """Rank the gallery for every query by inner product, ties by position, and score the rankings.

    Args:
        queries: [queries, dimensions], unit vectors for cosine similarity.
        gallery: [gallery, dimensions].
        relevant: images that a query should find.
        junk: images that do not count.
        cutoffs: k of precision and recall.
        max_pairs: bound on memory.
    """
    rows = max(1, max_pairs // len(gallery))
    parts = []
    for start in range(0, len(queries), rows):
        chunk = slice(start, min(start + rows, len(queries)))
        order = (queries[chunk] @ gallery.T).argsort(dim=1, descending=True, stable=True)
        ranked_relevant, ranked_junk = (
            kind(chunk).to(order.device).gather(1, order) for kind in (relevant, junk)
        )
        parts.append(score_rankings(ranked_relevant, ranked_junk, cutoffs=cutoffs))
    return RankingScores(*(torch.cat(values) for values in zip(*parts, strict=True)))


def score_rankings(relevant: Tensor, junk: Tensor, *, cutoffs: Sequence[int]) -> RankingScores:
    """Score rankings of a whole gallery.

    If the last relevant image comes before place k, precision at k is the precision at that image, as in the evaluation
    code of the revisited data sets.

    Args:
        relevant: bool [queries, gallery], best first.
        junk: bool [queries, gallery] in the same order.
        cutoffs: k of precision and recall.
    """
    place = (~junk).cumsum(dim=1)  # counted from 1, without junk
    found = relevant.cumsum(dim=1)
    total = relevant.sum(dim=1)
    precision_after = found.double() / place
    precision_before = torch.where(place == 1, 1.0, (found - 1).double() / (place - 1))
    # Elsewhere the division may be by zero.
    area = torch.where(relevant, (precision_before + precision_after) / 2, 0.0).sum(dim=1)
    has_any = total > 0
    average_precision = torch.where(has_any, area / total, torch.nan)
    last = torch.where(relevant, place, 0).amax(dim=1)
    precisions, recalls = [], []
    for k in cutoffs:
        hits = (relevant & (place <= k)).sum(dim=1)
        precisions.append(hits.double() / last.clamp(max=k))
        recalls.append(torch.where(has_any, (hits > 0).double(), torch.nan))
    return RankingScores(average_precision, torch.stack(precisions, dim=1), torch.stack(recalls, dim=1))
