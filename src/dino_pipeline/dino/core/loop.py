"""The training loop: it takes steps in order, rolls back after too many skipped steps, and fits a budget of hours."""

import logging
from pathlib import Path
from typing import Any, Protocol

import torch

from dino_pipeline.dino.core.batches import DeviceBatch, DeviceBatches, ToFloats
from dino_pipeline.dino.core.data.dataset import MultiCropDataset, ReplacingDataset, ShuffledBatches
from dino_pipeline.dino.core.data.loader import build_loader
from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.core.distributed import rank
from dino_pipeline.dino.core.optimization.skipping import NonFiniteError
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.core.schedules import ScheduleValues, schedule_values
from dino_pipeline.dino.core.state import TrainingState
from dino_pipeline.dino.core.step import StepMetrics, part_of_batch, training_step

logger = logging.getLogger(__name__)


class Observer(Protocol):
    """Watches a training, keeps its checkpoints, and can stop it. An observer changes no weights."""

    def after_step(self, batch: DeviceBatch, metrics: StepMetrics, values: ScheduleValues) -> bool:
        """Receive the result of a step; return False to stop the loop.

        Raises:
            NonFiniteError: more steps in a row were skipped than `non_finite` allows.
        """

    def last_checkpoint(self) -> dict[str, Any]:
        """Return the state dictionary of the last checkpoint, for a rollback."""

    def after_rollback(self, error: NonFiniteError) -> None:
        """Receive the error after which the training continues from the last checkpoint."""


class Training:
    """A training: its images in order, its number of steps, and its state (networks, optimizer, loss)."""

    def __init__(
        self,
        config: PretrainConfig,
        images: Manifest,
        device: torch.device,
        *,
        root: Path = Path(),
        loader_workers: int = 0,
        augment_on_device: bool = False,
        gradient_checkpointing: bool = False,
        shard_weights: bool = False,
        compiled: bool = False,
    ) -> None:
        """Build a training at step 0.

        Args:
            images: the train split.
            root: the project folder, where the user's own loss files lie.
            loader_workers: number of extra processes that read images.
            augment_on_device: apply the photometric augmentation to whole batches on the device, not in the loader.
            gradient_checkpointing: recompute activations in the backward pass, so that only a fraction stays in memory.
            shard_weights: shard the weights over the processes (FSDP2).
            compiled: compile the backbones with torch.compile.
        """
        self.config = config
        self.images = images
        self.device = device
        self.loader_workers = loader_workers
        self.augment_on_device = augment_on_device
        self.compiled = compiled
        self.steps_per_epoch = len(images) // config.batch_size
        self.num_steps = config.epochs * self.steps_per_epoch
        self.state = TrainingState(config, device, sharded=shard_weights, root=root)
        self.labels = images.label_indices(images.class_names) if self.state.loss.needs_labels else None
        if gradient_checkpointing:
            for learner in self.state.learners:
                learner.network.backbone.use_checkpointing()
        if compiled:
            for network in (self.state.student, self.state.teacher):
                network.backbone.compile()  # in place: a wrapper would rename the weights in checkpoints

    def batches(self, first_step: int, end_step: int) -> DeviceBatches:
        """This process's share of the batches from `first_step` (counted from 0) up to but not including `end_step`."""
        config = self.config
        dataset = MultiCropDataset(
            self.images,
            config.images,
            config.multi_crop,
            seed=config.seed,
            augment_on_device=self.augment_on_device,
        )
        loader = build_loader(
            ReplacingDataset(dataset, self.labels),
            self._order(first_step, end_step, rank()),
            num_workers=self.loader_workers,
            pin_memory=self.device.type == "cuda",
        )
        return DeviceBatches(loader, ToFloats(config, self.device, compiled=self.compiled))

    def positions(self, step: int, process: int) -> list[int]:
        """Positions in `images` of the images that a process takes in a step. Steps and positions count from 0."""
        (addresses,) = self._order(step, step + 1, process)
        return [address.position for address in addresses]

    def schedule_values(self) -> ScheduleValues:
        """The schedules' values for the next step, with rollbacks applied to the learning rate."""
        values = schedule_values(
            self.config, self.state.step, self.num_steps, steps_per_epoch=self.steps_per_epoch
        )
        return values.slowed(self.learning_rate_factor)

    @property
    def learning_rate_factor(self) -> float:
        """Factor by which rollbacks have lowered the learning rate; 1 without rollbacks."""
        return self.config.non_finite.rollback_factor**self.state.num_rollbacks

    def roll_back(self, error: NonFiniteError, checkpoint: dict[str, Any]) -> None:
        """Load a checkpoint and continue with a lower learning rate.

        Raises:
            NonFiniteError: all allowed rollbacks are used up; this raises the given error.
        """
        num_rollbacks = self.state.num_rollbacks + 1
        self.state.load_state_dict(checkpoint)
        self.state.num_rollbacks = num_rollbacks
        if rank() == 0:
            logger.warning(
                "%s; going back to step %d, with %g times the learning rate from there on (rollback %d of %d)",
                error,
                self.state.step,
                self.learning_rate_factor,
                num_rollbacks,
                self.config.non_finite.max_rollbacks,
            )

    def _order(self, first_step: int, end_step: int, process: int) -> ShuffledBatches:
        config = self.config
        return ShuffledBatches(
            num_images=len(self.images),
            batch_size=config.batch_size,
            part=part_of_batch(config.batch_size, process),
            seed=config.seed,
            first_step=first_step,
            num_steps=end_step,
        )


def train(training: Training, observer: Observer) -> bool:
    """Take all remaining steps.

    Returns:
        True after the last step, False if the observer stopped the training earlier.

    Raises:
        NonFiniteError: too many steps in a row were skipped, and no rollback is left.
    """
    while True:
        try:
            return _take_steps(training, observer)
        except NonFiniteError as error:
            if training.state.num_rollbacks >= training.config.non_finite.max_rollbacks:
                raise
            training.roll_back(error, observer.last_checkpoint())
            observer.after_rollback(error)


def _take_steps(training: Training, observer: Observer) -> bool:
    state, config = training.state, training.config
    for batch in training.batches(state.step, training.num_steps):
        values = training.schedule_values()
        metrics = training_step(state, config, batch.global_crops, batch.local_crops, values, batch.labels)
        if not observer.after_step(batch, metrics, values):
            return False
    return True


def steps_within(
    max_hours: float, *, seconds_per_step: float, seconds_per_evaluation: float, steps_between: int
) -> int:
    """Number of steps, at least 1, that fit into a budget, including the online evaluations between them."""
    return max(1, int(max_hours * 3600 / (seconds_per_step + seconds_per_evaluation / steps_between)))
