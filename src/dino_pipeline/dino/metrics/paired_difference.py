"""Two answers to the same questions: by how much one is better, and how sure that is (Efron 1979, the bootstrap)."""

from typing import NamedTuple

from torch import Tensor

from dino_pipeline.dino.metrics.bootstrap import USUAL, Groups, Resampling, bootstrap_mean


class PairedDifference(NamedTuple):
    """Of two shares of the same images, in [-1, 1], with the interval of its bootstrap."""

    difference: float
    low: float
    high: float


def paired_difference(
    before: Tensor, after: Tensor, resampling: Resampling = USUAL, groups: Groups | None = None
) -> PairedDifference:
    """By how much the share of correct answers changed, resampling images with both their answers.

    Args:
        before, after: [images], whether each image was classified correctly, or the share of several models that
            did.
        groups: of the images, resampled as a whole; None: each image on its own.
    """
    return PairedDifference(*bootstrap_mean(after.double() - before.double(), resampling, groups))
