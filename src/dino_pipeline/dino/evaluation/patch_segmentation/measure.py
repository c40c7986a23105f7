"""Patch segmentation: mIoU of k-NN and of a linear head on frozen patch tokens, fitted on few masks.

The linear head is the protocol of DINOv2 (arXiv:2304.07193, 7.4: a linear layer predicts class logits from patch
tokens, and these are upsampled), here fitted to the majority class of each patch, not to pixels. The k-NN head is
the classifier of arXiv:2104.14294 (4.1) with patches in place of images.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from dino_pipeline.dino.evaluation.patch_segmentation.config import PatchSegmentationConfig
from dino_pipeline.dino.evaluation.patch_segmentation.heads import (
    NUM_VALUES,
    FittedHeads,
    confusion_matrix,
    fit_heads,
    measures,
)
from dino_pipeline.dino.evaluation.patch_segmentation.split import Split
from dino_pipeline.dino.evaluation.patch_segmentation.tokens import Tokenizer, labelled_patches
from dino_pipeline.dino.evaluation.voc import MaskedImages
from dino_pipeline.dino.progress import with_progress


def upsampled_argmax(scores: Tensor, height: int, width: int) -> Tensor:
    """The class with the highest bilinearly upsampled score: int64 [height, width]. Ties go to the first class.

    Classes are processed one at a time, so that memory does not grow with their number.

    Args:
        scores: [rows, columns, classes].
    """
    best = torch.full((height, width), -torch.inf, dtype=scores.dtype, device=scores.device)
    winner = torch.zeros((height, width), dtype=torch.int64, device=scores.device)
    for index, score in enumerate(scores.unbind(dim=-1)):
        enlarged = F.interpolate(score[None, None], (height, width), mode="bilinear")[0, 0]
        higher = enlarged > best
        best = torch.where(higher, enlarged, best)
        winner = winner.masked_fill(higher, index)
    return winner


class Segmentation(NamedTuple):
    """Results of one network."""

    # By head: mIoU, pixel accuracy, IoU of each class; the linear head's learning rate.
    measures: dict[str, Any]
    # By id of the shown images: the linear head's prediction, uint8 [height, width]
    predicted: dict[str, Tensor]


def segment(
    tokenizer: Tokenizer, split: Split, config: PatchSegmentationConfig, *, shown: tuple[str, ...]
) -> Segmentation:
    """Fit the heads on the labelled images and evaluate them on the others.

    Args:
        shown: ids of images whose prediction is returned.

    Raises:
        ValueError: an image or mask cannot be read, or the labelled masks are void.
    """
    heads = fit_heads(labelled_patches(tokenizer, split.labelled, config), config)
    confusions: dict[str, Tensor] = {}
    predicted = {}
    for id_, truth, masks in _predictions(tokenizer, heads, split.evaluated):
        for name, mask in masks.items():
            counts = confusions.setdefault(name, torch.zeros(NUM_VALUES, NUM_VALUES, dtype=torch.int64))
            counts += confusion_matrix(truth, mask)
        if id_ in shown:
            predicted[id_] = masks["linear"]
    found: dict[str, Any] = {name: measures(confusion) for name, confusion in confusions.items()}
    found["linear"]["learning_rate"] = heads.learning_rate
    return Segmentation(found, predicted)


@torch.inference_mode()
def _predictions(
    tokenizer: Tokenizer, heads: FittedHeads, images: MaskedImages
) -> Iterator[tuple[str, Tensor, dict[str, Tensor]]]:
    """For each image yield its id, its mask and the heads' masks of the same size, on the CPU."""
    classes = heads.classes.cpu().to(torch.uint8)
    for id_ in with_progress(images.ids, "segment", unit="images"):
        image, mask = images.read(id_)
        tokens = tokenizer(image)
        scores = heads.score(tokens.flatten(0, 1))
        masks = {
            name: classes[upsampled_argmax(score.unflatten(0, tokens.shape[:2]), *mask.shape).cpu()]
            for name, score in scores.items()
        }
        yield id_, torch.from_numpy(mask), masks
