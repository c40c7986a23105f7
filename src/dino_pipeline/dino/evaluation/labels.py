"""Class names as numbers, missing labels, and stratified draws of labels."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from dino_pipeline.dino.core.data.addressing import Domain, generator_at
from dino_pipeline.dino.evaluation.features import Features
from dino_pipeline.dino.metrics.bootstrap import Groups, group_ids

SPLITS = ("train", "val", "test")


def class_names(train: Features) -> list[str]:
    """The labels that occur in train, sorted."""
    return sorted({label for label in train.labels if label is not None})


def label_indices(features: Features, classes: Sequence[str], device: torch.device) -> Tensor:
    """Labels as positions in `classes`: int64 [images], -1 if absent or not among them."""
    index = {name: position for position, name in enumerate(classes)}
    return torch.tensor([index.get(label, -1) for label in features.labels], dtype=torch.int64, device=device)


def missing_labels(features: Features) -> dict[str, str]:
    """Why splits cannot be used for training or scoring, by split; usable splits are left out."""
    reasons = {}
    for split in SPLITS:
        labels = features.split(split).labels
        missing = sum(label is None for label in labels)
        if len(labels) == 0:
            reasons[split] = f"{split} has no images"
        elif missing:
            reasons[split] = f"{missing:,} of the {len(labels):,} images of {split} have no label"
        elif split == "train" and len(set(labels)) == 1:
            reasons[split] = f"all images of train are of one class, {labels[0]}"
    return reasons


def stratified_draw(
    labels: NDArray[np.int64], fraction: float, *, seed: int, groups: Groups | None = None
) -> NDArray[np.int64]:
    """Draw a share of each class, at least one image, and return ascending positions.

    For one seed, a smaller draw is part of a larger one. Every seed draws the same number of images, except with
    groups: these are drawn whole until the share of a class is reached, so that a draw may be larger.

    Args:
        labels: int64 [images], all of them classes.
        groups: of the images; None: each image on its own.
    """
    units = np.arange(len(labels)) if groups is None else group_ids(groups)
    drawn = []
    for label in np.unique(labels):
        candidates, sizes = np.unique(units[labels == label], return_counts=True)
        num_images = max(1, int(fraction * sizes.sum() + 0.5))
        order = generator_at(seed, Domain.LABELLED, int(label)).permutation(len(candidates))
        num_units = 1 + np.searchsorted(np.cumsum(sizes[order]), num_images)
        drawn.append(candidates[order[:num_units]])
    return np.flatnonzero(np.isin(units, np.concatenate(drawn)))
