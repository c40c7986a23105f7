"""Heads that predict classes of patch tokens (weighted k-NN over labelled patches, a linear head), and their IoU."""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from dino_pipeline.dino.evaluation.linear_probe.config import LinearTrainingConfig
from dino_pipeline.dino.evaluation.linear_probe.probes import LinearProbes, center_and_scale
from dino_pipeline.dino.evaluation.linear_probe.training import ProbeTraining
from dino_pipeline.dino.evaluation.patch_segmentation.config import PatchSegmentationConfig
from dino_pipeline.dino.evaluation.patch_segmentation.tokens import LabelledPatches
from dino_pipeline.dino.evaluation.voc import VOID
from dino_pipeline.dino.metrics.knn import knn_votes
from dino_pipeline.dino.progress import with_progress

NUM_VALUES = 256


def confusion_matrix(truth: Tensor, predicted: Tensor) -> Tensor:
    """Number of pixels by true class (row) and predicted class (column): int64 [256, 256].

    Args:
        truth: integers 0 to 255 of any shape; pixels with 255, void, do not count.
        predicted: integers 0 to 255 of the same shape.
    """
    known = truth != VOID
    pairs = truth[known].long() * NUM_VALUES + predicted[known].long()
    return torch.bincount(pairs, minlength=NUM_VALUES**2).view(NUM_VALUES, NUM_VALUES)


def iou_per_class(confusion: Tensor) -> dict[int, float]:
    """Intersection over union, in [0, 1], of each class that occurs in the truth."""
    hits = confusion.diagonal().double()
    unions = confusion.sum(dim=0) + confusion.sum(dim=1) - confusion.diagonal()
    classes = confusion.sum(dim=1).nonzero().flatten().tolist()
    return {value: float(hits[value] / unions[value]) for value in classes}


def mean_iou(confusion: Tensor) -> float:
    """Mean IoU over classes that occur in the truth. Every wrong pixel lowers its true class."""
    ious = iou_per_class(confusion)
    return sum(ious.values()) / len(ious) if ious else 0.0


def measures(confusion: Tensor) -> dict[str, Any]:
    """mIoU, the share of correct pixels, and the IoU of each class by its value."""
    known = int(confusion.sum())
    return {
        "miou": mean_iou(confusion),
        "pixel_accuracy": int(confusion.diagonal().sum()) / max(known, 1),
        "iou": {str(value): iou for value, iou in iou_per_class(confusion).items()},
    }


# From patch tokens [patches, dimensions] to scores [patches, classes], by each head's name.
Heads = Callable[[Tensor], dict[str, Tensor]]


class FittedHeads(NamedTuple):
    """Fitted heads and their chosen learning rate."""

    classes: Tensor  # mask values of the scores' columns, ascending
    score: Heads
    learning_rate: float  # of the linear head


def fit_heads(patches: LabelledPatches, config: PatchSegmentationConfig) -> FittedHeads:
    """Fit k-NN for each number of neighbours, and the linear head.

    The linear head's learning rate has the best mIoU over patches of the last `validation_fraction` of the images,
    which are held out for this choice. Then the head is trained on all images.
    """
    classes, targets = torch.unique(patches.labels, return_inverse=True)
    rate = _best_learning_rate(patches, targets, config)
    linear = _train(patches.tokens, targets, replace(config.linear, learning_rates=(rate,)))

    def score(queries: Tensor) -> dict[str, Tensor]:
        votes = knn_votes(
            patches.tokens,
            targets,
            queries,
            num_classes=len(classes),
            num_neighbors=config.knn.num_neighbors,
            temperature=config.knn.temperature,
        )
        # Shares, so that a patch with near neighbours does not outweigh the patches beside it.
        scores = {f"knn_{k}": counted / counted.sum(dim=1, keepdim=True) for k, counted in votes.items()}
        return {**scores, "linear": linear.logits(linear.normalise(queries))[:, 0]}

    return FittedHeads(classes, score, rate)


def _best_learning_rate(patches: LabelledPatches, targets: Tensor, config: PatchSegmentationConfig) -> float:
    """The best rate; the smallest among equally good rates."""
    num_images = int(patches.images.max()) + 1
    num_held_out = min(num_images - 1, math.ceil(config.validation_fraction * num_images))
    held_out = patches.images >= num_images - num_held_out
    probes = _train(patches.tokens[~held_out], targets[~held_out], config.linear)
    predicted = probes.predict(patches.tokens[held_out])  # [patches, rates]
    mious = [mean_iou(confusion_matrix(targets[held_out], column)) for column in predicted.unbind(dim=1)]
    rates = config.linear.learning_rates
    return rates[min(range(len(rates)), key=lambda i: (-mious[i], rates[i]))]


def _train(tokens: Tensor, targets: Tensor, config: LinearTrainingConfig) -> LinearProbes:
    """Train the linear probe's classifiers, one per learning rate, on patches in place of images."""
    center, scale = center_and_scale(tokens)
    training = ProbeTraining(config, num_classes=int(targets.max()) + 1, center=center, scale=scale)
    generator = torch.Generator().manual_seed(config.seed)  # on the CPU, so that a GPU uses the same order
    for epoch in with_progress(range(config.epochs), "fit heads", unit="epochs"):
        order = torch.randperm(len(tokens), generator=generator).to(tokens.device)
        for batch in order.split(config.batch_size):
            training.step(tokens[batch], targets[batch], epoch=epoch)
    return training.probes
