"""Weighted k-nearest-neighbour classification of frozen features (arXiv:2104.14294, 4.1)."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from dino_pipeline.dino.metrics.nearest import Bank

MAX_RANKED_CLASSES = 5
_SEARCHED_AT_ONCE = 4096  # queries
_VOTING_AT_ONCE = 1024  # queries; memory holds [queries, classes]


class KnnAccuracy(NamedTuple):
    """Shares of the queries, in [0, 1], whose class is ranked first, or among the first five."""

    top1: float
    top5: float


def knn_accuracy(
    train_features: Tensor,
    train_labels: Tensor,
    test_features: Tensor,
    test_labels: Tensor,
    *,
    num_neighbors: Sequence[int],
    temperature: float,
) -> dict[int, KnnAccuracy]:
    """Accuracy for each number of neighbours; see `knn_rank_classes` for the arguments.

    A query whose class does not occur in train counts as incorrect.
    """
    ranked = knn_rank_classes(
        train_features,
        train_labels,
        test_features,
        num_neighbors=num_neighbors,
        temperature=temperature,
    )
    accuracies = {}
    for k, classes in ranked.items():
        hits = classes == test_labels.to(classes.device).unsqueeze(1)
        accuracies[k] = KnnAccuracy(_share(hits[:, 0]), _share(hits.any(dim=1)))
    return accuracies


def knn_rank_classes(
    train_features: Tensor,
    train_labels: Tensor,
    test_features: Tensor,
    *,
    num_neighbors: Sequence[int],
    temperature: float,
) -> dict[int, Tensor]:
    """Ranked classes of each query, most votes first: `{k: [queries, up to 5]}`.

    Each of the k nearest training images by cosine votes for its class with weight exp(similarity / temperature). All k
    share one search. A k above the number of training images uses all of them and keeps its key. As in the reference,
    the number of ranked classes is at most the number of neighbours.

    Args:
        train_features, test_features: [images, dimensions], of any length; this normalises them.
        train_labels: [train images] integers; they need not be consecutive.

    Raises:
        ValueError: no training image, no query, or a k below 1.
    """
    _check(train_features, train_labels, test_features, num_neighbors)
    classes, class_indices = torch.unique(train_labels.to(train_features.device), return_inverse=True)
    ranked: dict[int, list[Tensor]] = {k: [] for k in num_neighbors}
    for k, votes in _votes(
        train_features,
        class_indices,
        test_features,
        len(classes),
        num_neighbors=num_neighbors,
        temperature=temperature,
    ):
        ranked[k].append(classes[_most_voted(votes, min(MAX_RANKED_CLASSES, k, len(classes)))])
    return {k: torch.cat(chunks) for k, chunks in ranked.items()}


def knn_votes(
    train_features: Tensor,
    train_labels: Tensor,
    test_features: Tensor,
    *,
    num_classes: int,
    num_neighbors: Sequence[int],
    temperature: float,
) -> dict[int, Tensor]:
    """The sum of votes of each class from a query's neighbours: `{k: [queries, num_classes]}`.

    Args:
        train_labels: [train] integers 0 to `num_classes` - 1; for the others see `knn_rank_classes`.

    Raises:
        ValueError: as in `knn_rank_classes`.
    """
    _check(train_features, train_labels, test_features, num_neighbors)
    found: dict[int, list[Tensor]] = {k: [] for k in num_neighbors}
    for k, votes in _votes(
        train_features,
        train_labels.to(train_features.device),
        test_features,
        num_classes,
        num_neighbors=num_neighbors,
        temperature=temperature,
    ):
        found[k].append(votes.clone())
    return {k: torch.cat(chunks) for k, chunks in found.items()}


def _votes(
    train_features: Tensor,
    class_indices: Tensor,
    test_features: Tensor,
    num_classes: int,
    *,
    num_neighbors: Sequence[int],
    temperature: float,
) -> Iterator[tuple[int, Tensor]]:
    """Yield the votes [queries, classes] for each chunk of queries and each k, ascending. The next step reuses them."""
    bank = Bank(train_features)
    for some in test_features.split(_SEARCHED_AT_ONCE):
        similarities, neighbors = bank.nearest(some, max(num_neighbors))
        weights = torch.exp(similarities / temperature)
        for weight, vote_for in zip(
            weights.split(_VOTING_AT_ONCE), class_indices[neighbors].split(_VOTING_AT_ONCE), strict=True
        ):
            votes = weight.new_zeros(len(weight), num_classes)
            counted = 0
            for k in sorted(set(num_neighbors)):
                votes.scatter_add_(1, vote_for[:, counted:k], weight[:, counted:k])
                counted = min(k, vote_for.shape[1])
                yield k, votes


def _most_voted(votes: Tensor, num_ranked: int) -> Tensor:
    """The classes with the most votes [queries, num_ranked], equal ones in the labels' order, as in the reference."""
    left = votes.clone()
    ranked = []
    for _ in range(num_ranked):
        ranked.append(left.argmax(dim=1, keepdim=True))  # the first of equal ones
        left.scatter_(1, ranked[-1], -torch.inf)
    return torch.cat(ranked, dim=1)


def _share(hits: Tensor) -> float:
    return int(hits.sum()) / len(hits)


def _check(train: Tensor, labels: Tensor, test: Tensor, num_neighbors: Sequence[int]) -> None:
    if len(train) == 0 or len(test) == 0:
        raise ValueError(
            f"k-NN needs images in train and images to classify, got {len(train)} and {len(test)}"
        )
    if len(train) != len(labels):
        raise ValueError(f"{len(train)} training features but {len(labels)} labels")
    if not num_neighbors or min(num_neighbors) < 1:
        raise ValueError(f"numbers of neighbours must be 1 or more, got {list(num_neighbors)}")
