"""How backbones are fine-tuned (light: imports no torch)."""

from typing import Annotated, Literal

from pydantic import Field

from dino_pipeline.dino.core.config import frozen
from dino_pipeline.dino.core.optimization.config import ScheduleConfig
from dino_pipeline.dino.evaluation.config import Count

Share = Annotated[float, Field(ge=0, le=1)]
NotNegative = Annotated[float, Field(ge=0)]


@frozen
class ViewConfig:
    """How a train image is seen in an epoch: a random resized crop of the evaluation's size, mirrored or not."""

    crop_scale: tuple[Annotated[float, Field(gt=0, le=1)], Annotated[float, Field(gt=0, le=1)]]  # of the area
    flip_probability: Share
    rand_augment_operations: Annotated[int, Field(ge=0)]  # RandAugment (arXiv:1909.13719); 0: none
    rand_augment_magnitude: Annotated[int, Field(ge=0, le=30)]


@frozen
class MixConfig:
    """What is done to a batch and its labels: mixup (arXiv:1710.09412), CutMix (arXiv:1905.04899), smoothing."""

    mixup_alpha: NotNegative  # 0: no mixup
    cutmix_alpha: NotNegative  # 0: no CutMix
    probability: Share  # that a batch is mixed
    switch_probability: Share  # that it is CutMix, where both are on
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]


@frozen
class FineTuneConfig:
    """The same budget for each start."""

    supervised_weights: (
        str | None
    )  # a .safetensors or .pth of the same architecture, as one more start; or null
    seed: int
    epochs: Count
    batch_size: Annotated[int, Field(ge=2, multiple_of=2)]  # mixing takes images by twos
    precision: Literal["fp32", "bf16"]
    drop_path_rate: Annotated[float, Field(ge=0, lt=1)]
    learning_rate: ScheduleConfig  # of the classifier, for a batch of 256; scaled with the batch
    layer_decay: Annotated[float, Field(gt=0, le=1)]  # a layer's learning rate is this times the next one's
    weight_decay: NotNegative
    view: ViewConfig
    mix: MixConfig
    num_workers: Annotated[int, Field(ge=0)]  # processes that decode; 0 decodes in the main one
    num_threads: Count | None  # as in extract
