"""Configuration of fine-tuning. Imports no torch."""

from typing import Annotated, Literal

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveInt

from dino_pipeline.dino.core.config import frozen
from dino_pipeline.dino.core.data.multi_crop_config import AreaRange, Probability
from dino_pipeline.dino.core.optimization.config import ScheduleConfig
from dino_pipeline.dino.evaluation.config import Share


@frozen
class TrainViewConfig:
    """Views of train images: a random resized crop of the evaluation's size, with random flips."""

    crop_scale: AreaRange  # of the area
    flip_probability: Probability
    rand_augment_operations: NonNegativeInt  # RandAugment (arXiv:1909.13719); 0: none
    rand_augment_magnitude: Annotated[int, Field(ge=0, le=30)]


@frozen
class MixConfig:
    """Changes to a batch and its labels: mixup (arXiv:1710.09412), CutMix (arXiv:1905.04899), label smoothing."""

    mixup_alpha: NonNegativeFloat  # 0: no mixup
    cutmix_alpha: NonNegativeFloat  # 0: no CutMix
    probability: Probability  # of mixing a batch
    switch_probability: Probability  # of CutMix, if both are on
    label_smoothing: Annotated[float, Field(ge=0, lt=1)]


@frozen
class FineTuneConfig:
    """Fine-tuning with the same budget for each start."""

    # A .safetensors or .pth of the same architecture as an additional start; or null.
    supervised_weights: str | None
    seed: int
    epochs: PositiveInt
    batch_size: Annotated[int, Field(ge=2, multiple_of=2)]  # even, because mixing pairs images
    precision: Literal["fp32", "bf16"]
    drop_path_rate: Annotated[float, Field(ge=0, lt=1)]
    learning_rate: ScheduleConfig  # of the classifier, for a batch of 256; scales with the batch
    layer_decay: Share  # ratio of a layer's learning rate to the next layer's
    weight_decay: NonNegativeFloat
    view: TrainViewConfig
    mix: MixConfig
    num_workers: NonNegativeInt  # processes that decode; 0 decodes in the main process
    num_threads: PositiveInt | None  # as in extract
