"""Intersection over union from a confusion matrix, as VOC counts it: void pixels count nowhere."""

from typing import Any

import torch
from torch import Tensor

from dino_pipeline.dino.evaluation.masks.voc import VOID

NUM_VALUES = 256


def confusion_matrix(truth: Tensor, predicted: Tensor) -> Tensor:
    """Pixels by true class (row) and predicted class (column): int64 [256, 256].

    Args:
        truth: integers 0 to 255 of any shape; where it is 255, void, nothing is counted.
        predicted: likewise, of the same shape.
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
    """The mean over classes that occur in the truth; pixels that got another class lower those they belong to."""
    ious = iou_per_class(confusion)
    return sum(ious.values()) / len(ious) if ious else 0.0


def measures(confusion: Tensor) -> dict[str, Any]:
    """mIoU, the share of pixels that is right, and IoU of each class by its value."""
    known = int(confusion.sum())
    return {
        "miou": mean_iou(confusion),
        "pixel_accuracy": int(confusion.diagonal().sum()) / max(known, 1),
        "iou": {str(value): iou for value, iou in iou_per_class(confusion).items()},
    }
