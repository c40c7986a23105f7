"""A training with its files: it starts or resumes, gets monitored, saves checkpoints and stops on request."""

import logging
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch

from dino_pipeline.dino.core.batches import DeviceBatch
from dino_pipeline.dino.core.config import to_dict
from dino_pipeline.dino.core.data.loader import worker_deaths_explained
from dino_pipeline.dino.core.distributed import barrier, largest, rank
from dino_pipeline.dino.core.loop import Training, steps_within, train
from dino_pipeline.dino.core.models.sharding import load_whole
from dino_pipeline.dino.core.optimization.skipping import NonFiniteError
from dino_pipeline.dino.core.schedules import ScheduleValues
from dino_pipeline.dino.core.step import StepMetrics
from dino_pipeline.dino.launching.shared_manifest import shared_manifest
from dino_pipeline.dino.launching.stop import StopRequest
from dino_pipeline.dino.progress import beat
from dino_pipeline.dino.training.checkpoint import load_checkpoint
from dino_pipeline.dino.training.comparison import START, compare, describe_start, load_start, save_start
from dino_pipeline.dino.training.config import TrainingSpec
from dino_pipeline.dino.training.finish import earlier_fingerprints, finish
from dino_pipeline.dino.training.frozen_teacher import FROZEN_TEACHER
from dino_pipeline.dino.training.history import CURRENT_STEP
from dino_pipeline.dino.training.initial_weights import INITIAL
from dino_pipeline.dino.training.kept_checkpoints import keep_checkpoint, load_newest
from dino_pipeline.dino.training.monitor import Monitor
from dino_pipeline.dino.training.online_evaluation import OnlineEvaluation
from dino_pipeline.dino.training.profiling import announce, profile, write_profile
from dino_pipeline.dino.training.progress import differing_keys
from dino_pipeline.dino.weights.older_files import completed

logger = logging.getLogger(__name__)


def pretrain(spec: TrainingSpec, device: torch.device, stop: StopRequest) -> bool:
    """Train from the last checkpoint, if there is one, to the end or until a stop is requested.

    Returns:
        True when the model is finished, False when training stopped on request with its progress saved.

    Raises:
        NonFiniteError: the loss or gradient was not finite too often in a row; names step, process and rows.
        CollapseError: training collapsed, and its configuration says to stop; names kind, cause and remedy.
        MemoryError: a batch does not fit (names the micro-batch that does), or a loader worker was killed.
        ValueError: too many images cannot be read.
    """
    run = TrainingRun(spec, device, stop)
    with worker_deaths_explained(spec.launch.loader_workers, spec.pretrain.batch_size):
        run.begin()
        is_whole = train(run.training, run)
    if not is_whole:
        return False
    final = run.state.state_dict()
    verdict = run.verdict()
    if rank() == 0:
        finish(spec, final, data_digest=run.manifest.digest(), verdict=verdict)
    barrier()
    return True


class TrainingRun:
    """The observer of the training loop: keeps checkpoints and history, and evaluates."""

    def __init__(self, spec: TrainingSpec, device: torch.device, stop: StopRequest) -> None:
        config, launch = spec.pretrain, spec.launch
        self.spec = spec
        self.device = device
        self.stop = stop
        self.folder = Path(spec.folder)
        self.manifest = shared_manifest(Path(spec.manifest), Path(spec.image_root), self.folder)
        self.training = Training(
            config,
            self.manifest.split("train"),
            device,
            root=Path(spec.image_root),
            loader_workers=launch.loader_workers,
            augment_on_device=launch.augment_on_device,
            gradient_checkpointing=launch.gradient_checkpointing,
            shard_weights=launch.shard_weights,
            compiled=launch.compile,
        )
        self.state = self.training.state
        if self.state.has_frozen_teacher:
            load_whole(self.state.teacher, load_checkpoint(self.folder / FROZEN_TEACHER, device))
        self.monitor = Monitor(
            self.folder,
            config,
            spec.monitoring,
            self.training.steps_per_epoch,
            device,
            num_images=len(self.training.images),
            loss_metrics=self.state.loss.metrics,
            rows_of=self.rows_of,
        )
        self.evaluation = OnlineEvaluation(
            self.manifest, config, spec.monitoring, num_workers=launch.loader_workers
        )
        self._start = self.folder / START
        self._step_due = 0.0

    def begin(self) -> None:
        """Resume from the last undamaged checkpoint or start new; log the expected duration."""
        training, config = self.training, self.spec.pretrain
        self._take_initial_weights()
        checkpoint = load_newest(self.folder, self.device)
        if checkpoint:
            self._resume(checkpoint)
        max_hours = config.max_hours
        # A measurement needs at least two trial steps, and a budget needs a measurement.
        num_trials = max(self.spec.monitoring.num_trial_steps, 2 if max_hours else 0)
        if num_trials > 1 and self.state.step < training.num_steps:
            trials = training.batches(self.state.step, self.state.step + num_trials)
            measured = profile(self.state, config, trials, self.device)
            if max_hours and not checkpoint:
                fitting = steps_within(
                    max_hours,
                    seconds_per_step=measured.seconds_per_step,
                    seconds_per_evaluation=self._seconds_per_evaluation(),
                    steps_between=self.spec.monitoring.evaluate_every_epochs * training.steps_per_epoch,
                )
                training.num_steps = min(training.num_steps, fitting)
            announce(measured, num_left=training.num_steps - self.state.step)
            if rank() == 0 and not checkpoint:
                write_profile(measured, self.folder, num_steps=training.num_steps)
        self.monitor.start(self.state.step, training.num_steps)
        if not checkpoint and config.non_finite.max_rollbacks:
            self.save()  # a checkpoint for a first rollback

    def after_step(self, batch: DeviceBatch, metrics: StepMetrics, values: ScheduleValues) -> bool:
        """Record a step, and do what is due after it: a row, an evaluation, a checkpoint.

        Returns:
            False if a stop was requested; the progress is then saved.

        Raises:
            NonFiniteError: too many steps in a row were skipped.
            CollapseError: training collapsed, and its configuration says to stop in this case.
            ValueError: too many images cannot be read.
        """
        beat()
        state, monitor, monitoring = self.state, self.monitor, self.spec.monitoring
        monitor.unreadable.meet(batch.unreadable)
        monitor.after_step(metrics, values, waited=batch.waited)
        self._write_current_step()
        is_last = state.step == self.training.num_steps
        epoch, step_in_epoch = divmod(state.step, self.training.steps_per_epoch)
        at_evaluation = step_in_epoch == 0 and epoch % monitoring.evaluate_every_epochs == 0
        monitor.write_due_row(
            state.step, last=is_last, evaluate=self.evaluate if at_evaluation or is_last else None
        )
        if self.stop.agreed() and not is_last:
            self.save()
            return False
        is_due = state.step % monitoring.checkpoint_every_steps == 0
        # While steps are skipped, the last good checkpoint stays, so that a rollback finds earlier weights.
        if is_last or (is_due and not monitor.is_skipping()):
            self.save()
        return True

    def last_checkpoint(self) -> dict[str, Any]:
        """Load the training's state from the last checkpoint, and reset the monitor to it."""
        barrier()  # no process reads or writes before all have left the loop
        checkpoint = load_newest(self.folder, self.device)
        assert checkpoint is not None  # `begin` writes one
        num_skipped = self.monitor.skipped.counter.count
        self.monitor.load_state_dict(checkpoint["monitor"] | {"num_skipped": num_skipped})
        state: dict[str, Any] = checkpoint["state"]
        return state

    def after_rollback(self, error: NonFiniteError) -> None:  # noqa: ARG002  the loop has logged it
        """Drop the rows of steps that will be taken again, and save the lower learning rate."""
        self.monitor.cut_after(self.state.step)
        self.save()  # so that it survives an interruption

    def rows_of(self, step: int, process: int) -> list[int]:
        """Manifest rows of the images that a process takes in a step. Steps count from 0."""
        images = self.training.images
        return [int(images.row_ids[position]) for position in self.training.positions(step, process)]

    def evaluate(self) -> dict[str, float]:
        """Run the online evaluation of student and teacher."""
        return self.evaluation(self.state, self.device)

    def verdict(self) -> dict[str, Any] | None:
        """Compare the published network with the weights it started from; None if they were random."""
        if self.spec.pretrain.initial_weights is None:
            return None
        end = self.evaluation.judge(self.state.product, self.device)
        return compare(load_start(self._start), end, self.evaluation.queries.groups)

    def save(self) -> None:
        """Write a checkpoint to resume this training from."""
        checkpoint = {
            "fingerprint": self.spec.fingerprint,
            "config": to_dict(self.spec.pretrain),
            "num_steps": self.training.num_steps,
            "state": self.state.state_dict(),
            "monitor": self.monitor.state_dict(self.state.step),
        }
        if rank() == 0:
            keep_checkpoint(checkpoint, self.folder, step=self.state.step, monitoring=self.spec.monitoring)
        barrier()

    def _write_current_step(self) -> None:
        """Write the step once a second, for the launcher's display."""
        now = time.monotonic()
        if rank() == 0 and now >= self._step_due:
            self._step_due = now + 1
            with suppress(OSError):  # a display is no reason to stop
                (self.folder / CURRENT_STEP).write_text(str(self.state.step))

    def _resume(self, checkpoint: dict[str, Any]) -> None:
        training = self.training
        # Any version of this code counts as own; adopted progress does not.
        is_own = checkpoint["fingerprint"] in (self.spec.fingerprint, *earlier_fingerprints(self.folder))
        try:
            self.state.load_state_dict(checkpoint["state"])
        except (KeyError, RuntimeError) as error:  # a missing key; another shape
            if is_own:
                raise
            differing = differing_keys(
                completed({"pretrain": checkpoint["config"]}), {"pretrain": to_dict(self.spec.pretrain)}
            )
            raise ValueError(
                "launch.adopt_progress: that progress belongs to other networks, so this training cannot "
                f"continue it. It differs in {', '.join(differing)}: set the parameters of the networks to its "
                "values, or set adopt_progress to null"
            ) from error
        self.monitor.load_state_dict(checkpoint["monitor"])
        if is_own:
            training.num_steps = checkpoint["num_steps"]  # a budget may have reduced them
        elif self.state.step >= training.num_steps:
            raise ValueError(
                f"launch.adopt_progress: that progress has {self.state.step} steps, but this training ends after "
                f"{training.num_steps}: raise pretrain.epochs"
            )
        logger.info("resuming after step %d of %d", self.state.step, training.num_steps)

    def _take_initial_weights(self) -> None:
        if self.spec.pretrain.initial_weights is None:
            return
        self.state.load_initial(load_checkpoint(self.folder / INITIAL, self.device))
        is_judged = self._start.is_file()
        barrier()  # no process writes before all have looked
        if not is_judged:
            start = self.evaluation.judge(self.state.product, self.device)
            if rank() == 0:
                save_start(start, self._start)
                logger.info("%s", describe_start(start))
            barrier()

    def _seconds_per_evaluation(self) -> float:
        start = time.perf_counter()
        self.evaluate()
        return largest(time.perf_counter() - start, self.device)
