"""Configuration of fine-tuning. Imports no torch."""

from typing import Annotated, Literal

from pydantic import Field

from dino_pipeline.dino.core.config import frozen
from dino_pipeline.dino.core.optimization.config import ScheduleConfig
from dino_pipeline.dino.evaluation.config import Count

Share = Annotated[float, Field(ge=0, le=1)]
NotNegative = Annotated[float, Field(ge=0)]


@frozen
class ViewConfig:
    """Views of train images: a random resized crop of the evaluation's size, with random flips."""

    crop_scale: tuple[Annotated[float, Field(gt=0, le=1)], Annotated[float, Field(gt=0, le=1)]]  # of the area
    flip_probability: Share
    rand_augment_operations: Annotated[int, Field(ge=0)]  # RandAugment (arXiv:1909.13719); 0: none
    rand_augment_magnitude: Annotated[int, Field(ge=0, le=30)]


@frozen
class MixConfig:
    """Changes to a batch and its labels: mixup (arXiv:1710.09412), CutMix (arXiv:1905.04899), label smoothing."""

    mixup_alpha: NotNegative  # 0: no mixup
    cutmix_alpha: NotNegative  # 0: no CutMix
    probability: Share  # of mixing a batch
    switch_probability: Share  # of CutMix, if both are on
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]


@frozen
class FineTuneConfig:
    """Fine-tuning with the same budget for each start."""

    # A .safetensors or .pth of the same architecture as an additional start; or null.
    supervised_weights: str | None
    seed: int
    epochs: Count
    batch_size: Annotated[int, Field(ge=2, multiple_of=2)]  # even, because mixing pairs images
    precision: Literal["fp32", "bf16"]
    drop_path_rate: Annotated[float, Field(ge=0, lt=1)]
    learning_rate: ScheduleConfig  # of the classifier, for a batch of 256; scales with the batch
    layer_decay: Annotated[float, Field(gt=0, le=1)]  # ratio of a layer's learning rate to the next layer's
    weight_decay: NotNegative
    view: ViewConfig
    mix: MixConfig
    num_workers: Annotated[int, Field(ge=0)]  # processes that decode; 0 decodes in the main process
    num_threads: Count | None  # as in extract
