"""Configuration of a training's execution: `MonitoringConfig`, `LaunchConfig`, and a worker's `TrainingSpec`."""

from typing import Annotated

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, model_validator

from dino_pipeline.dino.core.config import frozen
from dino_pipeline.dino.core.pretrain_config import PretrainConfig


@frozen
class MonitoringConfig:
    """What a training reports and saves on its way. None of this changes the weights."""

    log_every_steps: PositiveInt
    checkpoint_every_steps: PositiveInt
    keep_last_checkpoints: (
        PositiveInt  # the newest ones, so that an older one remains if the newest is damaged
    )
    keep_checkpoint_every_steps: PositiveInt | None  # kept for good, at multiples of this
    evaluate_every_epochs: PositiveInt  # k-NN, feature std, effective rank; also after the last epoch
    num_neighbors: PositiveInt
    temperature: PositiveFloat
    max_images: PositiveInt  # of train (the bank) and of val (the queries), evenly spaced
    resize: PositiveInt  # short side in pixels
    crop: PositiveInt  # central square in pixels
    # Steps before the first one, to predict time and memory; 0 skips them.
    num_trial_steps: NonNegativeInt

    @model_validator(mode="after")
    def _crop_lies_inside(self) -> "MonitoringConfig":
        if self.crop > self.resize:
            raise ValueError(
                f"monitoring.crop is {self.crop}, larger than the short side monitoring.resize of {self.resize}: "
                f"set it to {self.resize} or less"
            )
        return self

    stop_on_collapse: bool  # false: only warn
    # Share of distinct train images that may be unreadable and get replaced; more is an error.
    max_unreadable_fraction: Annotated[float, Field(ge=0, le=1)]

    @model_validator(mode="after")
    def _kept_checkpoints_are_written(self) -> "MonitoringConfig":
        every, kept = self.checkpoint_every_steps, self.keep_checkpoint_every_steps
        if kept and kept % every:
            raise ValueError(
                f"monitoring.keep_checkpoint_every_steps is {kept}, but one is written every {every} steps "
                f"(monitoring.checkpoint_every_steps): set it to a multiple of {every}"
            )
        return self


@frozen
class LaunchConfig:
    """Processes and devices of a training. These change the weights only by rounding."""

    cpu_processes: PositiveInt  # without a GPU; with GPUs, there is one process per visible GPU
    threads_per_process: PositiveInt  # a fixed number, because sums in another order round differently
    loader_workers: NonNegativeInt  # per process
    # Apply colours, blur and flips on the device to a whole batch at once, not in the loader.
    augment_on_device: bool
    gradient_checkpointing: bool  # recompute activations in the backward pass: less memory, more time
    shard_weights: bool  # FSDP2: shard the weights, for networks that do not fit on one device
    compile: bool  # torch.compile the backbones: minutes at the start, faster steps on GPUs
    max_restarts: NonNegativeInt  # of all processes, from the last checkpoint, after a loss
    grace_seconds: PositiveFloat  # time for saving a checkpoint after a request to stop
    stall_minutes: PositiveFloat  # a training is ended if none of its processes gets on for so long
    resume_from: str | None  # a checkpoint file of this same training; any other is an error
    # Fingerprint of an unfinished training with other parameters, data or code to continue from.
    adopt_progress: str | None


@frozen
class TrainingSpec:
    """The whole input of a worker, as JSON (training/worker.py shows the command)."""

    fingerprint: str
    recipe: str
    manifest: str  # path of the Parquet file
    image_root: str  # the folder to which the manifest's paths are relative
    folder: str  # holds the progress
    pretrain: PretrainConfig
    monitoring: MonitoringConfig
    launch: LaunchConfig
