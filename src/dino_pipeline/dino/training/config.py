"""What a training is: `PretrainConfig` decides the weights, `MonitoringConfig` watches, `LaunchConfig` runs it."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from dino_pipeline.dino.config import frozen
from dino_pipeline.dino.data.images_config import ImagesConfig, PixelStatistics
from dino_pipeline.dino.data.multi_crop_config import MultiCropConfig
from dino_pipeline.dino.losses.config import LossConfig
from dino_pipeline.dino.models.backbone_config import BackboneConfig
from dino_pipeline.dino.models.head_config import PredictorConfig, ProjectionHeadConfig
from dino_pipeline.dino.models.teacher_config import TeacherConfig
from dino_pipeline.dino.optimization.config import NonFiniteConfig, OptimizerConfig
from dino_pipeline.dino.optimization.schedules import SchedulesConfig
from dino_pipeline.dino.training.combinations import refuse_meaningless

Count = Annotated[int, Field(ge=1)]
Measured = Literal["measured"]  # on train images, before the training is begun (training/resolution.py)


@frozen
class PretrainConfig:
    """Everything that, with the data and the code, decides the weights."""

    seed: Annotated[int, Field(ge=0)]
    # A file or a model's folder; a started training has the hash in its place. The weights then decide the
    # backbone, mean and std, and the projection head.
    initial_weights: str | None
    new_head: bool  # leave the projection head of the initial weights, and begin one of this shape
    epochs: Count
    max_hours: (
        Annotated[float, Field(gt=0)] | None
    )  # fewer steps, schedules and all, where epochs would take longer
    batch_size: Count  # distinct images a step, over all processes
    accumulation_steps: Count  # parts that a process's batch is cut into where it does not fit at once
    precision: Literal["fp64", "fp32", "bf16", "fp16"]  # fp64 is for proofs
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
                    f"pretrain.{name} has {len(values)} numbers, and pretrain.images.channels is {channels}: give "
                    f"{channels}, or the word measured"
                )
        if self.backbone.options.get("in_chans") not in (None, channels):
            raise ValueError(
                f"pretrain.backbone.options.in_chans is {self.backbone.options['in_chans']}, and "
                f"pretrain.images.channels is {channels}: leave the option out"
            )
        return self

    @model_validator(mode="after")
    def _parts_fit(self) -> "PretrainConfig":
        refuse_meaningless(
            self.loss, self.teacher, self.predictor, self.multi_crop, initial_weights=self.initial_weights
        )
        return self

    @property
    def network(self) -> BackboneConfig:
        """The backbone for images of these channels."""
        return self.backbone.for_images(self.images.channels)

    @property
    def frozen_teacher(self) -> BackboneConfig | None:
        """The backbone of a teacher of another architecture, likewise; None of other teachers."""
        own = self.teacher.backbone
        return None if own is None else own.for_images(self.images.channels)

    @property
    def statistics(self) -> PixelStatistics:
        """Mean and std as numbers.

        Raises:
            ValueError: they have not been measured yet.
        """
        if isinstance(self.mean, str) or isinstance(self.std, str):
            raise ValueError(
                "pretrain.mean and pretrain.std are not measured yet: kedro run and dino-pipeline spec do it"
            )
        return PixelStatistics(self.mean, self.std)


@frozen
class MonitoringConfig:
    """What training reports on its way; none of it changes the weights."""

    log_every_steps: Count
    checkpoint_every_steps: Count
    keep_last_checkpoints: Count  # the newest ones: a damaged one has a whole one before it
    keep_checkpoint_every_steps: Count | None  # for good, those of these steps
    evaluate_every_epochs: Count  # k-NN, feature std, effective rank; always after the last epoch too
    num_neighbors: Count
    temperature: Annotated[float, Field(gt=0)]
    max_images: Count  # of train (the bank) and of val (the queries), evenly spaced
    resize: Count  # short side in pixels
    crop: Count  # central square in pixels
    num_trial_steps: Annotated[
        int, Field(ge=0)
    ]  # before the first step, to predict time and memory; 0 skips them

    @model_validator(mode="after")
    def _crop_lies_inside(self) -> "MonitoringConfig":
        if self.crop > self.resize:
            raise ValueError(
                f"monitoring.crop is {self.crop}, larger than the short side monitoring.resize of {self.resize}: "
                f"set it to {self.resize} or less"
            )
        return self

    stop_on_collapse: bool  # or only warn
    # Distinct train images that may turn out unreadable and be replaced by others; more end the training.
    max_unreadable_fraction: Annotated[float, Field(ge=0, le=1)]

    @model_validator(mode="after")
    def _kept_checkpoints_are_written(self) -> "MonitoringConfig":
        every, kept = self.checkpoint_every_steps, self.keep_checkpoint_every_steps
        if kept and kept % every:
            raise ValueError(
                f"monitoring.keep_checkpoint_every_steps is {kept}, and one is written every {every} steps "
                f"(monitoring.checkpoint_every_steps): take a multiple of {every}"
            )
        return self


@frozen
class LaunchConfig:
    """On what a training runs; none of it changes the weights but by rounding."""

    cpu_processes: Count  # where there is no GPU; with GPUs, one process for each visible one
    threads_per_process: Count  # fixed, since sums in another order round differently
    loader_workers: Annotated[int, Field(ge=0)]  # a process
    augment_on_device: (
        bool  # colours, blur and flips there, for a whole batch at once, and not where images are read
    )
    gradient_checkpointing: (
        bool  # compute activations twice and keep a fraction of them: less memory, more time
    )
    shard_weights: bool  # FSDP2: weights spread over processes, for networks that do not fit on one device
    compile: bool  # torch.compile the backbones: minutes at the start, faster steps on GPUs
    max_restarts: Annotated[int, Field(ge=0)]  # of all processes, from the last checkpoint, when one is lost
    grace_seconds: Annotated[float, Field(gt=0)]  # for saving a checkpoint when asked to stop
    resume_from: str | None  # a checkpoint file of this very training; one of another training is refused
    adopt_progress: (
        str | None
    )  # fingerprint of an unfinished training to continue from, though something differs


@frozen
class TrainingSpec:
    """A worker's whole input, as JSON (see training/worker.py for the command)."""

    fingerprint: str
    recipe: str
    manifest: str  # path of the Parquet file
    image_root: str  # folder that the manifest's relative paths hang on
    folder: str  # where progress is kept
    pretrain: PretrainConfig
    monitoring: MonitoringConfig
    launch: LaunchConfig
