"""Configuration of a training's execution: `MonitoringConfig`, `LaunchConfig`, and a worker's `TrainingSpec`."""

from typing import Annotated

from pydantic import Field, model_validator

from dino_pipeline.dino.core.config import frozen
from dino_pipeline.dino.core.pretrain_config import Count, PretrainConfig


@frozen
class MonitoringConfig:
    """What a training reports and saves on its way. None of this changes the weights."""

    log_every_steps: Count
    checkpoint_every_steps: Count
    keep_last_checkpoints: Count  # the newest ones, so that an older one remains if the newest is damaged
    keep_checkpoint_every_steps: Count | None  # kept for good, at multiples of this
    evaluate_every_epochs: Count  # k-NN, feature std, effective rank; also after the last epoch
    num_neighbors: Count
    temperature: Annotated[float, Field(gt=0)]
    max_images: Count  # of train (the bank) and of val (the queries), evenly spaced
    resize: Count  # short side in pixels
    crop: Count  # central square in pixels
    # Steps before the first one, to predict time and memory; 0 skips them.
    num_trial_steps: Annotated[int, Field(ge=0)]

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
                f"monitoring.keep_checkpoint_every_steps is {kept}, and one is written every {every} steps "
                f"(monitoring.checkpoint_every_steps): take a multiple of {every}"
            )
        return self


@frozen
class LaunchConfig:
    """Processes and devices of a training. These change the weights only by rounding."""

    cpu_processes: Count  # without a GPU; with GPUs, there is one process per visible GPU
    threads_per_process: Count  # a fixed number, because sums in another order round differently
    loader_workers: Annotated[int, Field(ge=0)]  # per process
    # Apply colours, blur and flips on the device to a whole batch at once, not in the loader.
    augment_on_device: bool
    gradient_checkpointing: bool  # recompute activations in the backward pass: less memory, more time
    shard_weights: bool  # FSDP2: shard the weights, for networks that do not fit on one device
    compile: bool  # torch.compile the backbones: minutes at the start, faster steps on GPUs
    max_restarts: Annotated[int, Field(ge=0)]  # of all processes, from the last checkpoint, after a loss
    grace_seconds: Annotated[float, Field(gt=0)]  # time for saving a checkpoint after a request to stop
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
