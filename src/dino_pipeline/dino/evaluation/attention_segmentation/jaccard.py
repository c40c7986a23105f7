"""Intersection over union of the heads' masks and an image's objects."""

from torch import Tensor

from dino_pipeline.dino.evaluation.masks.voc import BACKGROUND, VOID


def head_jaccards(masks: Tensor, truth: Tensor) -> Tensor:
    """Jaccard index of each object with each head's mask: float64 [objects, heads]; void pixels count nowhere.

    Args:
        masks: bool [heads, height, width].
        truth: uint8 [height, width]; each value but background and void is an object.
    """
    known = truth != VOID
    values = truth[known & (truth != BACKGROUND)].unique()
    objects = truth[known][None] == values[:, None]  # [objects, known pixels]
    kept = masks[:, known]  # [heads, known pixels]
    intersections = objects.double() @ kept.double().T
    unions = objects.sum(dim=1)[:, None] + kept.sum(dim=1)[None] - intersections
    jaccards: Tensor = intersections / unions
    return jaccards
