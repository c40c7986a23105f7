"""Paired comparison of two models on the same images: difference in accuracy with its bootstrap interval."""

from typing import NamedTuple

from torch import Tensor

from dino_pipeline.dino.metrics.bootstrap import USUAL, Groups, Resampling, bootstrap_mean


class PairedDifference(NamedTuple):
    """Difference of two shares on the same images, in [-1, 1], with its bootstrap interval."""

    difference: float
    low: float
    high: float


def paired_difference(
    before: Tensor, after: Tensor, resampling: Resampling = USUAL, groups: Groups | None = None
) -> PairedDifference:
    """Change of the share of correct answers. Each resample takes an image with both its answers.

    Args:
        before, after: [images], whether the model classified each image correctly, or the share of several models that
            did.
        groups: of the images, resampled as a whole; None: each image on its own.
    """
    return PairedDifference(*bootstrap_mean(after.double() - before.double(), resampling, groups))
