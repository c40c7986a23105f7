"""The parameters of a training. With the data and the code, they decide its weights."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from dino_pipeline.dino.core.config import frozen
from dino_pipeline.dino.core.data.images_config import ImagesConfig, PixelStatistics
from dino_pipeline.dino.core.data.multi_crop_config import MultiCropConfig
from dino_pipeline.dino.core.losses.config import LossConfig
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
from dino_pipeline.dino.core.models.head_config import PredictorConfig, ProjectionHeadConfig
from dino_pipeline.dino.core.models.teacher_config import TeacherConfig
from dino_pipeline.dino.core.optimization.config import NonFiniteConfig, OptimizerConfig, SchedulesConfig

Count = Annotated[int, Field(ge=1)]
Measured = Literal["measured"]  # from train images, before the training starts (training/preparation.py)


@frozen
class PretrainConfig:
    """All parameters that, with the data and the code, decide the weights."""

    seed: Annotated[int, Field(ge=0)]
    # A file or a model's folder, replaced by its hash once the training starts. These weights also decide the
    # backbone, mean and std, and the projection head.
    initial_weights: str | None
    new_head: bool  # discard the initial weights' projection head and start a new one of the shape given here
    epochs: Count
    # Budget; if the epochs would take longer, the training gets fewer steps, with shorter schedules.
    max_hours: Annotated[float, Field(gt=0)] | None
    batch_size: Count  # distinct images per step, over all processes
    accumulation_steps: Count  # micro-batches per step, for a batch that does not fit into memory at once
    precision: Literal["fp64", "fp32", "bf16", "fp16"]  # fp64 is for exactness tests
    images: ImagesConfig
    mean: tuple[float, ...] | Measured  # per channel, of pixels in [0, 1]
    std: tuple[Annotated[float, Field(gt=0)], ...] | Measured
    backbone: BackboneConfig
    projection_head: ProjectionHeadConfig
    predictor: PredictorConfig
    teacher: TeacherConfig
    multi_crop: MultiCropConfig
    loss: LossConfig
    schedules: SchedulesConfig
    optimizer: OptimizerConfig
    non_finite: NonFiniteConfig

    @model_validator(mode="after")
    def _one_number_a_channel(self) -> "PretrainConfig":
        channels = self.images.channels
        for name in ("mean", "std"):
            values = getattr(self, name)
            if values != "measured" and len(values) != channels:
                raise ValueError(
                    f"pretrain.{name} has {len(values)} numbers, but pretrain.images.channels is {channels}: give "
                    f"{channels} numbers, or `measured`"
                )
        if self.backbone.options.get("in_chans") not in (None, channels):
            raise ValueError(
                f"pretrain.backbone.options.in_chans is {self.backbone.options['in_chans']}, but "
                f"pretrain.images.channels is {channels}: remove the option"
            )
        return self

    @model_validator(mode="after")
    def _parts_fit(self) -> "PretrainConfig":
        loss, teacher = self.loss, self.teacher
        if loss.name == "distillation" and teacher.learns:
            raise ValueError(
                f"pretrain.loss.name is distillation, but pretrain.teacher.name is {teacher.name}: a network "
                "learns nothing from its own output for the same view; set teacher.name to frozen"
            )
        if loss.name == "distillation" and self.multi_crop.num_local_crops:
            raise ValueError(
                f"pretrain.multi_crop.num_local_crops is {self.multi_crop.num_local_crops}, but "
                "pretrain.loss.name distillation compares global crops only, which the teacher sees: set "
                "num_local_crops to 0"
            )
        if teacher.name != "peer":
            return self
        if self.predictor.num_layers:
            raise ValueError(
                f"pretrain.predictor.num_layers is {self.predictor.num_layers}, but pretrain.teacher.name is "
                "peer: each network is student and teacher with one output; set num_layers to 0"
            )
        if self.initial_weights is not None:
            raise ValueError(
                f"pretrain.initial_weights is {self.initial_weights}, but pretrain.teacher.name is peer: two "
                "networks with equal weights learn nothing from each other; set initial_weights to null"
            )
        if loss.name == "supervised":
            raise ValueError(
                "pretrain.loss.name is supervised, which needs no teacher, but pretrain.teacher.name is peer: "
                "set teacher.name to none"
            )
        return self

    @property
    def network(self) -> BackboneConfig:
        """The backbone's configuration, for images with `images.channels` channels."""
        return self.backbone.for_images(self.images.channels)

    @property
    def frozen_teacher(self) -> BackboneConfig | None:
        """The backbone of a frozen teacher of another architecture, for the same channels; None for other teachers."""
        own = self.teacher.backbone
        return None if own is None else own.for_images(self.images.channels)

    @property
    def statistics(self) -> PixelStatistics:
        """Mean and std as numbers.

        Raises:
            ValueError: they are not measured yet.
        """
        if isinstance(self.mean, str) or isinstance(self.std, str):
            raise ValueError(
                "pretrain.mean and pretrain.std are not measured yet: kedro run and dino-pipeline spec measure "
                "them"
            )
        return PixelStatistics(self.mean, self.std)
