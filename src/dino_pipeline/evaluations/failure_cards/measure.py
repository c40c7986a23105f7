"""Find where a k-NN classifier of frozen features fails: by class, group, pair of classes, and image."""

from collections import Counter
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from dino_pipeline.dino.evaluation.features import Features
from dino_pipeline.dino.evaluation.labels import class_names, label_indices
from dino_pipeline.dino.metrics.knn import knn_votes
from dino_pipeline.dino.metrics.nearest import Bank


class NearTrainImage(NamedTuple):
    """A train image near a held-out image."""

    row_id: int  # of the manifest
    label: str
    cosine: float


class Card(NamedTuple):
    """A wrongly classified image. Shares are shares of the votes."""

    row_id: int  # of the manifest
    label: str
    predicted: str
    label_share: float
    predicted_share: float
    margin: float
    neighbors: list[NearTrainImage]


class Classified(NamedTuple):
    """The votes on each image: arrays of length [images]."""

    labels: NDArray[np.object_]
    predicted: NDArray[np.object_]
    # of the votes, for the image's own class; 0 where train has no image of that class
    label_share: NDArray[np.float64]
    predicted_share: NDArray[np.float64]  # for the class with most votes
    margin: NDArray[np.float64]  # share of the strongest other class minus the own one's: wrong above 0

    @property
    def is_right(self) -> NDArray[np.bool_]:
        """Whether the class with most votes is the image's own."""
        right: NDArray[np.bool_] = self.labels == self.predicted
        return right

    def most_wrong(self, limit: int) -> NDArray[np.int64]:
        """Positions of the wrongly classified images, the largest margin first, ties in the order of the images."""
        order = np.argsort(-self.margin, kind="stable")
        return order[~self.is_right[order]][:limit]


def classify(
    train: Features, held_out: Features, *, num_neighbors: int, temperature: float, device: torch.device
) -> Classified:
    """Classify by weighted k-NN as in arXiv:2104.14294, 4.1. Among classes with equal votes the first by name wins.

    Args:
        train: features that vote, all labelled, of two classes or more.
        held_out: features to classify, all labelled.
    """
    classes = class_names(train)
    votes = knn_votes(
        torch.from_numpy(train.embedding).to(device),
        label_indices(train, classes, device),
        torch.from_numpy(held_out.embedding).to(device),
        num_classes=len(classes),
        num_neighbors=[num_neighbors],
        temperature=temperature,
    )[num_neighbors]
    shares = (votes.double() / votes.double().sum(dim=1, keepdim=True)).cpu()
    predicted = votes.sort(dim=1, descending=True, stable=True).indices[:, 0].cpu()
    own = label_indices(held_out, classes, torch.device("cpu"))
    known = own >= 0
    label_share = shares.gather(1, own.clamp(min=0)[:, None])[:, 0] * known
    others = shares.clone()
    others[known, own[known]] = -torch.inf
    return Classified(
        labels=held_out.labels,
        predicted=np.array(classes, dtype=np.object_)[predicted.numpy()],
        label_share=label_share.numpy(),
        predicted_share=shares.gather(1, predicted[:, None])[:, 0].numpy(),
        margin=(others.amax(dim=1) - label_share).numpy(),
    )


def accuracies(names: Sequence[str], is_right: NDArray[np.bool_]) -> dict[str, dict[str, Any]]:
    """`{name: {num_images, num_right, accuracy}}` for the images of each name. Accuracies are shares in [0, 1].

    Args:
        names: class or group of each image.
    """
    images, right = Counter(names), Counter(np.asarray(names, dtype=np.object_)[is_right].tolist())
    return {
        name: {"num_images": images[name], "num_right": right[name], "accuracy": right[name] / images[name]}
        for name in sorted(images)
    }


def confusions(classified: Classified, limit: int) -> list[dict[str, Any]]:
    """Pairs of an own class and a predicted one, the most frequent first, then by name.

    Each pair has `label`, `predicted`, `num_images` and `share`, the share of the own class's images.
    """
    wrong = ~classified.is_right
    pairs = Counter(zip(classified.labels[wrong], classified.predicted[wrong], strict=True))
    images = Counter(classified.labels)
    ordered = sorted(pairs.items(), key=lambda item: (-item[1], item[0]))[:limit]
    return [
        {"label": label, "predicted": predicted, "num_images": count, "share": count / images[label]}
        for (label, predicted), count in ordered
    ]


def failure_cards(
    train: Features,
    held_out: Features,
    classified: Classified,
    *,
    num_cards: int,
    num_neighbors: int,
    device: torch.device,
) -> list[Card]:
    """The most wrong images, each with its nearest train images by cosine, the nearest first."""
    positions = classified.most_wrong(num_cards)
    bank = Bank(torch.from_numpy(train.embedding).to(device))
    queries = torch.from_numpy(held_out.embedding[positions]).to(device)
    cosines, neighbors = (found.cpu().tolist() for found in bank.nearest(queries, num_neighbors))
    return [
        Card(
            row_id=int(held_out.row_ids[position]),
            label=classified.labels[position],
            predicted=classified.predicted[position],
            label_share=float(classified.label_share[position]),
            predicted_share=float(classified.predicted_share[position]),
            margin=float(classified.margin[position]),
            neighbors=[
                NearTrainImage(int(train.row_ids[row]), train.labels[row], cosine)
                for row, cosine in zip(rows, cosines_of_image, strict=True)
            ],
        )
        for position, rows, cosines_of_image in zip(positions, neighbors, cosines, strict=True)
    ]
