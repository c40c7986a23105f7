"""Choose labelled and evaluated images."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from dino_pipeline.dino.evaluation.patch_segmentation.config import PatchSegmentationConfig
from dino_pipeline.dino.evaluation.voc import MaskedImages, list_masked_images


class Split(NamedTuple):
    """Labelled and evaluated images, without overlap."""

    labelled: MaskedImages
    evaluated: MaskedImages


def split_images(config: PatchSegmentationConfig, *, project_folder: Path) -> Split:
    """Draw the labelled images by the seed. Evaluated are the images of the other list, or the rest of the same list.

    Raises:
        ValueError: the folder or a list is missing, or the lists leave fewer than two images to learn from or none to
            evaluate.
    """
    labelled, evaluated = (
        list_masked_images(
            config.folder,
            split,
            masks="SegmentationClass",
            project_folder=project_folder,
            parameter="patch_segmentation.folder",
            split_parameter=f"patch_segmentation.{name}",
        )
        for name, split in (
            ("labelled_split", config.labelled_split),
            ("evaluated_split", config.evaluated_split),
        )
    )
    order = np.random.default_rng(config.seed).permutation(len(labelled))
    drawn = tuple(labelled.ids[i] for i in order[: config.num_labelled_images])
    if len(drawn) < max(2, config.num_labelled_images or 0):
        raise ValueError(
            f"patch_segmentation.num_labelled_images: the list {config.labelled_split!r} has {len(labelled)} "
            f"images, but {max(2, config.num_labelled_images or 0)} are needed"
        )
    rest = tuple(id_ for id_ in evaluated.ids if id_ not in set(drawn))
    if not rest:
        raise ValueError(
            f"patch_segmentation: no image of the list {config.evaluated_split!r} is left to evaluate: label fewer "
            "(num_labelled_images), or evaluate another list (evaluated_split)"
        )
    return Split(labelled.take(drawn), evaluated.take(rest))
