"""How a training is run: `MonitoringConfig` watches, `LaunchConfig` says on what, `TrainingSpec` is for a worker."""

from typing import Annotated

from pydantic import Field, model_validator

from dino_pipeline.dino.core.config import frozen
from dino_pipeline.dino.core.pretrain_config import Count, PretrainConfig


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
