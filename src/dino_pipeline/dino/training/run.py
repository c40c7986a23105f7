"""A run: what a training consists of, begun anew or taken up from its checkpoint."""

import logging
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from dino_pipeline.dino.core.batch import ToFloats
from dino_pipeline.dino.core.config import to_dict
from dino_pipeline.dino.core.data.loader import build_loader
from dino_pipeline.dino.core.data.manifest import read_manifest
from dino_pipeline.dino.core.data.multi_crop_dataset import MultiCropDataset, ShuffledBatches
from dino_pipeline.dino.core.data.replacement import ReplacingDataset
from dino_pipeline.dino.core.device_batches import DeviceBatch, DeviceBatches
from dino_pipeline.dino.core.distributed import barrier, largest, rank
from dino_pipeline.dino.core.losses.labels import UNKNOWN
from dino_pipeline.dino.core.models.sharding import load_whole
from dino_pipeline.dino.core.state import TrainingState
from dino_pipeline.dino.core.step import part_of_batch
from dino_pipeline.dino.training.checkpoint import load_checkpoint
from dino_pipeline.dino.training.comparison import START, compare, describe_start, load_start, save_start
from dino_pipeline.dino.training.config import TrainingSpec
from dino_pipeline.dino.training.execution import use_options
from dino_pipeline.dino.training.frozen_teacher import FROZEN_TEACHER
from dino_pipeline.dino.training.initial_weights import INITIAL
from dino_pipeline.dino.training.kept_checkpoints import keep_checkpoint, load_newest
from dino_pipeline.dino.training.monitor import Monitor
from dino_pipeline.dino.training.online_evaluation import OnlineEvaluation
from dino_pipeline.dino.training.preview import announce, preview, steps_within
from dino_pipeline.dino.training.progress import differing_keys
from dino_pipeline.dino.training.skipped import NonFiniteError

logger = logging.getLogger(__name__)


class Run:
    """The parts of a training, and how many steps it has."""

    def __init__(self, spec: TrainingSpec, device: torch.device) -> None:
        config = spec.pretrain
        self.spec = spec
        self.device = device
        self.manifest = read_manifest(Path(spec.manifest), Path(spec.image_root))
        self.images = self.manifest.split("train")
        self.steps_per_epoch = len(self.images) // config.batch_size
        self.num_steps = config.epochs * self.steps_per_epoch
        self.state = TrainingState(config, device, sharded=spec.launch.shard_weights)
        if self.state.has_frozen_teacher:
            load_whole(self.state.teacher, load_checkpoint(Path(spec.folder) / FROZEN_TEACHER, device))
        use_options(self.state, spec.launch)
        self.monitor = Monitor(
            Path(spec.folder),
            config,
            spec.monitoring,
            self.steps_per_epoch,
            device,
            num_images=len(self.images),
            rows_of=self.rows_of,
        )
        self.evaluation = OnlineEvaluation(
            self.manifest, config, spec.monitoring, num_workers=spec.launch.loader_workers
        )
        self._start = Path(spec.folder) / START

    def begin(self) -> None:
        """Take up the last whole checkpoint or start from nothing; say what is to come."""
        self._take_initial_weights()
        checkpoint = load_newest(Path(self.spec.folder), self.device)
        if checkpoint:
            self._take_up(checkpoint)
            if checkpoint["fingerprint"] == self.spec.fingerprint:
                self.num_steps = checkpoint["num_steps"]  # a budget may have cut them
            elif self.state.step >= self.num_steps:
                raise ValueError(
                    f"launch.adopt_progress: that progress has {self.state.step} steps, and this training ends after "
                    f"{self.num_steps}: raise pretrain.epochs"
                )
            logger.info("resuming after step %d of %d", self.state.step, self.num_steps)
        max_hours = self.spec.pretrain.max_hours
        # Two trials at least make a measure; a budget cannot do without.
        num_trials = max(self.spec.monitoring.num_trial_steps, 2 if max_hours else 0)
        if num_trials > 1 and self.state.step < self.num_steps:
            trials = self._device_batches(self.state.step, self.state.step + num_trials)
            shown = preview(self.state, self.spec.pretrain, trials, self.device)
            if max_hours and not checkpoint:
                every = self.spec.monitoring.evaluate_every_epochs * self.steps_per_epoch
                fitting = steps_within(
                    max_hours,
                    shown,
                    seconds_per_evaluation=self._seconds_per_evaluation(),
                    steps_between=every,
                )
                self.num_steps = min(self.num_steps, max(1, fitting))
            announce(shown, num_left=self.num_steps - self.state.step)
        self.monitor.start(self.state.step, self.num_steps)
        if not checkpoint and self.spec.pretrain.non_finite.max_rollbacks:
            self.save()  # to have something to go back to

    def roll_back(self, error: NonFiniteError) -> None:
        """Go on from the last checkpoint with a lower learning rate.

        Raises:
            NonFiniteError: the error, where this has been done as often as allowed.
        """
        limits = self.spec.pretrain.non_finite
        num_rollbacks, num_skipped = self.state.num_rollbacks + 1, self.monitor.skipped.count
        if num_rollbacks > limits.max_rollbacks:
            raise error
        barrier()  # all have given up before one reads or writes
        checkpoint = load_newest(Path(self.spec.folder), self.device)
        assert checkpoint is not None  # `begin` writes one
        self.state.load_state_dict(checkpoint["state"])
        self.monitor.load_state_dict(checkpoint["monitor"] | {"num_skipped": num_skipped})
        self.state.num_rollbacks = num_rollbacks
        self.monitor.cut_after(self.state.step)
        self.save()  # an interruption must not forget the lower learning rate
        if rank() == 0:
            logger.warning(
                "%s; back to step %d, with %g times the learning rate from there to the end (rollback %d of %d)",
                error,
                self.state.step,
                self.learning_rate_factor,
                num_rollbacks,
                limits.max_rollbacks,
            )

    @property
    def learning_rate_factor(self) -> float:
        """What rollbacks have made of the learning rate: 1 where there were none."""
        return self.spec.pretrain.non_finite.rollback_factor**self.state.num_rollbacks

    def rows_of(self, step: int, process: int) -> list[int]:
        """Rows of the manifest whose images a process takes in a step, counted from 0."""
        (addresses,) = self._batches(step, step + 1, process)
        return [int(self.images.row_ids[address.position]) for address in addresses]

    def labels_of(self, batch: DeviceBatch) -> torch.Tensor | None:
        """[batch], of the images of this process's part of the next step; None for losses that ask for none."""
        if self.spec.pretrain.loss.name != "labels":
            return None
        (addresses,) = self._batches(self.state.step, self.state.step + 1, rank())
        positions = np.array([address.position for address in addresses])
        labels = self.images.take(positions).label_indices(self.images.class_names)
        # Another image stands in for one that cannot be read: of an unknown class.
        replaced = {unreadable.row for unreadable in batch.unreadable}
        labels[np.isin(self.images.row_ids[positions], list(replaced))] = UNKNOWN
        return torch.from_numpy(labels).to(self.device)

    def batches(self) -> DeviceBatches:
        """This process's part of every batch that is left."""
        return self._device_batches(self.state.step, self.num_steps)

    def evaluate(self) -> dict[str, float]:
        """Online evaluation of student and teacher as they are."""
        return self.evaluation(self.state, self.device)

    def verdict(self) -> dict[str, Any] | None:
        """Whether what is published is better than the weights it started from; None if they were random."""
        if self.spec.pretrain.initial_weights is None:
            return None
        end = self.evaluation.judge(self.state.product, self.device)
        return compare(load_start(self._start), end, self.evaluation.queries.groups)

    def save(self) -> None:
        """Write the checkpoint that this training can be resumed from."""
        checkpoint = {
            "fingerprint": self.spec.fingerprint,
            "config": to_dict(self.spec.pretrain),
            "num_steps": self.num_steps,
            "state": self.state.state_dict(),
            "monitor": self.monitor.state_dict(self.state.step),
        }
        if rank() == 0:
            keep_checkpoint(
                checkpoint,
                Path(self.spec.folder),
                step=self.state.step,
                monitoring=self.spec.monitoring,
            )
        barrier()

    def _take_up(self, checkpoint: dict[str, Any]) -> None:
        try:
            self.state.load_state_dict(checkpoint["state"])
        except (KeyError, RuntimeError) as error:  # what is missing; of another shape
            if checkpoint["fingerprint"] == self.spec.fingerprint:
                raise
            differing = differing_keys(checkpoint["config"], to_dict(self.spec.pretrain), "pretrain.")
            raise ValueError(
                "launch.adopt_progress: that progress is of other networks, which this training cannot take up; it "
                f"differs in {', '.join(differing)}: set what shapes them as it had it, or set adopt_progress to null"
            ) from error
        self.monitor.load_state_dict(checkpoint["monitor"])

    def _take_initial_weights(self) -> None:
        if self.spec.pretrain.initial_weights is None:
            return
        self.state.load_initial(load_checkpoint(Path(self.spec.folder) / INITIAL, self.device))
        is_judged = self._start.is_file()
        barrier()  # all have looked before one writes
        if not is_judged:
            start = self.evaluation.judge(self.state.product, self.device)
            if rank() == 0:
                save_start(start, self._start)
                logger.info("%s", describe_start(start))
            barrier()

    def _device_batches(self, first_step: int, end_step: int) -> DeviceBatches:
        config, launch = self.spec.pretrain, self.spec.launch
        dataset = MultiCropDataset(
            self.images,
            config.images,
            config.multi_crop,
            seed=config.seed,
            augment_on_device=launch.augment_on_device,
        )
        loader = build_loader(
            ReplacingDataset(dataset),
            self._batches(first_step, end_step, rank()),
            num_workers=launch.loader_workers,
            pin_memory=self.device.type == "cuda",
        )
        return DeviceBatches(loader, ToFloats(config, self.device, compiled=launch.compile))

    def _batches(self, first_step: int, end_step: int, process: int) -> ShuffledBatches:
        config = self.spec.pretrain
        return ShuffledBatches(
            num_images=len(self.images),
            batch_size=config.batch_size,
            part=part_of_batch(config.batch_size, process),
            seed=config.seed,
            first_step=first_step,
            num_steps=end_step,
        )

    def _seconds_per_evaluation(self) -> float:
        start = time.perf_counter()
        self.evaluate()
        return largest(time.perf_counter() - start, self.device)
