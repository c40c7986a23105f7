"""Configuration of patch segmentation. Imports no torch."""

from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveInt

from dino_pipeline.dino.core.config import frozen
from dino_pipeline.dino.evaluation.config import KnnConfig
from dino_pipeline.dino.evaluation.linear_probe.config import LinearTrainingConfig


@frozen
class PatchSegmentationConfig:
    """The `patch_segmentation` parameters."""

    folder: str | None  # in VOC's layout
    labelled_split: str  # the list from which labelled images are drawn
    evaluated_split: str  # the list to evaluate; if it is the same list, without the labelled images
    num_labelled_images: Annotated[int, Field(ge=2)] | None  # None: the whole labelled list
    # Share of the labelled images that chooses the linear head's learning rate.
    validation_fraction: Annotated[float, Field(gt=0, lt=1)]
    patches_per_image: PositiveInt | None  # drawn from each labelled image; bounds memory; None: all
    image_size: PositiveInt  # shorter side in pixels, rounded to whole patches
    seed: NonNegativeInt  # for the labelled images and patches
    knn: KnnConfig  # neighbours are patches
    linear: LinearTrainingConfig  # rates are for 256 patches
    num_shown: PositiveInt  # images of the picture, spread over the evaluated images
    num_threads: PositiveInt | None  # as in extract
