"""What patch segmentation learns from and is measured on (light: imports no torch)."""

from typing import Annotated

from pydantic import Field

from dino_pipeline.dino.core.config import frozen
from dino_pipeline.dino.evaluation.config import KnnConfig
from dino_pipeline.dino.evaluation.linear_probe.config import LinearTrainingConfig

Count = Annotated[int, Field(ge=1)]


@frozen
class PatchSegmentationConfig:
    """The `patch_segmentation` parameters."""

    folder: str | None  # in VOC's layout
    labelled_split: str  # the list that labelled images are drawn from
    evaluated_split: str  # the list that is evaluated, without the labelled images where it is the same
    num_labelled_images: Annotated[int, Field(ge=2)] | None  # None: all of the labelled list
    validation_fraction: Annotated[
        float, Field(gt=0, lt=1)
    ]  # of them; chooses the linear head's learning rate
    patches_per_image: Count | None  # of a labelled image, drawn; bounds memory; None: all
    image_size: Count  # shorter side in px, rounded to whole patches
    seed: Annotated[int, Field(ge=0)]  # of the labelled images and patches
    knn: KnnConfig  # neighbours are patches
    linear: LinearTrainingConfig  # per 256 patches
    num_shown: Count  # images of the picture, spread over those evaluated
    num_threads: Count | None  # as in extract
