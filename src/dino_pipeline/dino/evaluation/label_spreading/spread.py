"""Labels go from the images that have them to the others, by weighted k-NN (arXiv:2104.14294, 4.1)."""

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from dino_pipeline.dino.evaluation.features import Matrix
from dino_pipeline.dino.evaluation.label_spreading.config import LabelSpreadingConfig
from dino_pipeline.dino.evaluation.label_spreading.given import Given
from dino_pipeline.dino.metrics.knn import knn_votes

_QUERY_CHUNK = 4096


class Spread(NamedTuple):
    """A label for every image."""

    labels: NDArray[np.int64]  # [images], positions in the given class names
    confidence: NDArray[np.float32]  # [images], the label's share of the votes; 1 where given
    probabilities: NDArray[np.float32] | None  # [images, classes], shares of the votes; None when hard


def spread_labels(
    embedding: Matrix, given: Given, config: LabelSpreadingConfig, *, device: torch.device
) -> Spread:
    """Spread the given labels to all other rows of `embedding` [images, dimensions].

    Of classes with equally many votes the first by name is taken.
    """
    features = torch.from_numpy(embedding).to(device)
    num_images, num_classes = len(features), len(given.class_names)
    given_positions = torch.from_numpy(given.positions).to(device)
    given_labels = torch.from_numpy(given.labels).to(device)
    bank = features[given_positions]
    labels = np.empty(num_images, dtype=np.int64)
    confidence = np.empty(num_images, dtype=np.float32)
    is_soft = config.assignment == "soft"
    probabilities = np.empty((num_images, num_classes), dtype=np.float32) if is_soft else None
    for first in range(0, num_images, _QUERY_CHUNK):
        rows = slice(first, first + _QUERY_CHUNK)
        votes = knn_votes(
            bank,
            given_labels,
            features[rows],
            num_classes=num_classes,
            num_neighbors=[config.num_neighbors],
            temperature=config.temperature,
        )[config.num_neighbors]
        shares = votes / votes.sum(dim=1, keepdim=True)
        labels[rows] = shares.argmax(dim=1).cpu().numpy()
        confidence[rows] = shares.amax(dim=1).cpu().numpy()
        if probabilities is not None:
            probabilities[rows] = shares.cpu().numpy()
    labels[given.positions], confidence[given.positions] = given.labels, 1
    if probabilities is not None:
        probabilities[given.positions] = np.eye(num_classes, dtype=np.float32)[given.labels]
    return Spread(labels, confidence, probabilities)
