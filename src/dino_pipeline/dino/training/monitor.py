"""Turns windows of steps into rows of history.csv and timing.csv."""

import logging
import resource
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from dino_pipeline.dino.core.distributed import all_reduce_sum, gather, rank, world_size
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.core.schedules import ScheduleValues
from dino_pipeline.dino.core.step import StepMetrics
from dino_pipeline.dino.metrics.collapse import NUM_ROWS, diagnose_training
from dino_pipeline.dino.training.config import MonitoringConfig
from dino_pipeline.dino.training.history import (
    HISTORY,
    HISTORY_COLUMNS,
    TIMING,
    TIMING_COLUMNS,
    RowFile,
)
from dino_pipeline.dino.training.skipped import SkippedSteps
from dino_pipeline.dino.training.unreadable import UnreadableImages

# The columns of a window in checkpoints that do not name them.
_METRICS_BEFORE = ["loss", "teacher_entropy", "kl", "gradient_norm"]
_FLAGS = ("loss is finite", "is skipped")

logger = logging.getLogger(__name__)


class CollapseError(RuntimeError):
    """The training collapsed, and its configuration says to stop in this case."""


class Monitor:
    """Averages metrics over the steps since the last row and over processes; rank 0 writes them.

    The metrics of a step are read only with their row, so that nothing waits for the device before.
    """

    def __init__(
        self,
        folder: Path,
        config: PretrainConfig,
        monitoring: MonitoringConfig,
        steps_per_epoch: int,
        device: torch.device,
        *,
        num_images: int,
        loss_metrics: Sequence[str],
        rows_of: Callable[[int, int], list[int]],
    ) -> None:
        """Prepare the files of a training.

        Args:
            num_images: number of train images.
            loss_metrics: names of the loss's own metrics.
            rows_of: see `SkippedSteps`.
        """
        self.config = config
        self.metric_names = ["loss", *loss_metrics, "gradient_norm"]
        self.every = monitoring.log_every_steps
        self.steps_per_epoch = steps_per_epoch
        self.device = device
        own = [name for name in loss_metrics if name not in HISTORY_COLUMNS]
        self.history = RowFile(folder / HISTORY, [*HISTORY_COLUMNS, *own])
        self.timing = RowFile(folder / TIMING, TIMING_COLUMNS)
        self.window: list[
            Tensor
        ] = []  # [metrics, loss is finite, is skipped] of each step since the last row
        self.skipped = SkippedSteps(
            folder,
            config.non_finite.max_skips_in_a_row,
            rows_of,
            expects_overflow=config.precision == "fp16",
        )
        self.unreadable = UnreadableImages(
            folder, num_images=num_images, max_fraction=monitoring.max_unreadable_fraction
        )
        self.stop_on_collapse = monitoring.stop_on_collapse
        self.recent: list[dict[str, Any]] = []  # the last rows
        self.is_collapsed = False
        self.waited = 0.0
        self.row_at = time.perf_counter()

    def start(self, step: int, num_steps: int) -> None:
        """Create the files of a training, or cut them after `step`."""
        self.num_steps = num_steps
        self.cut_after(step)
        self.skipped.start(step)
        self.unreadable.start(step)

    def cut_after(self, step: int) -> None:
        """Drop the rows after `step`, because these steps are taken again."""
        if rank() == 0:
            self.history.cut_after(step)
            self.timing.cut_after(step)

    def after_step(self, metrics: StepMetrics, values: ScheduleValues, *, waited: float) -> None:
        """Record one step, without waiting for the device."""
        values_by_name = [metrics.values[name] for name in self.metric_names]
        row = [*values_by_name, metrics.loss_is_finite, metrics.is_skipped]
        self.window.append(torch.stack([value.float() for value in row]))
        self.schedules = values
        self.waited += waited

    def state_dict(self, step: int) -> dict[str, Any]:
        """State for the checkpoint, so that a resumed history misses nothing. Every process must call this.

        The steps that no row contains yet are a tensor [processes, steps, metrics].
        """
        self.unreadable.take_in(step)
        return {
            "window": gather(torch.stack(self.window)).cpu() if self.window else None,
            "window_metrics": self.metric_names,
            "recent": self.recent,
            "num_skipped": self.skipped.counter.count,
            "skipped_in_a_row": self.skipped.counter.in_a_row,
            "unreadable": sorted(self.unreadable.known),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the window from a checkpoint."""
        self.window, self.recent = [], state["recent"]
        self.skipped.counter.count, self.skipped.counter.in_a_row = (
            state["num_skipped"],
            state["skipped_in_a_row"],
        )
        self.unreadable.known = set(state["unreadable"])
        unwritten = state["window"]
        if unwritten is not None:
            # With another number of processes, each takes the mean over all.
            own = unwritten[rank()] if len(unwritten) == world_size() else unwritten.mean(dim=0)
            names = [*state.get("window_metrics", _METRICS_BEFORE), *_FLAGS]
            columns = [names.index(name) for name in (*self.metric_names, *_FLAGS)]
            self.window = list(own[:, columns].to(self.device))

    def write_due_row(
        self, step: int, *, last: bool, evaluate: Callable[[], dict[str, float]] | None
    ) -> None:
        """Write a row at the end of a window or of the run, or when an evaluation is due; the row then includes it.

        Its means leave out skipped steps. If all steps of a window are skipped, there is no row.

        Raises:
            NonFiniteError: too many steps in a row were skipped, or all of them.
            ValueError: too many images cannot be read.
            CollapseError: the training collapsed, and its configuration says to stop in this case.
        """
        if step % self.every and not last and not evaluate:
            return
        # One transfer and one reduction per window, for any length.
        window = torch.stack(self.window)
        metrics, loss_is_finite, is_skipped = window[:, :-2], window[:, -2], window[:, -1] > 0
        sums = all_reduce_sum(torch.where(is_skipped[:, None], 0, metrics).sum(dim=0))
        *totals, num_skipped = torch.cat([sums, is_skipped.sum()[None]]).tolist()
        seconds = time.perf_counter() - self.row_at  # without the evaluation
        num_taken = len(window) - int(num_skipped)
        num_unreadable = self.unreadable.take_in(step)
        if num_skipped:
            self.skipped.take_in(is_skipped.tolist(), gather(loss_is_finite) > 0, last_step=step)
        else:
            self.skipped.counter.in_a_row = 0
        if last:
            self.skipped.end(step)
        if num_taken:
            means = [total / (num_taken * world_size()) for total in totals]
            row: dict[str, float] = {
                "step": step,
                "epoch": step / self.steps_per_epoch,
                "images_seen": step * self.config.batch_size,
                **dict(zip(self.metric_names, means, strict=True)),
                "skipped_steps": self.skipped.counter.count,
                "unreadable_images": num_unreadable,
                "learning_rate": self.schedules.learning_rate,
                "weight_decay": self.schedules.weight_decay,
                "teacher_momentum": self.schedules.teacher_momentum,
                "teacher_temperature": self.schedules.teacher_temperature,
                **(evaluate() if evaluate else {}),
            }
            if rank() == 0:
                self.history.append(row)
                self._write_timing(step, seconds)
            self._watch(row)
        self.window = []
        self.waited = 0.0
        self.row_at = time.perf_counter()

    def is_skipping(self) -> bool:
        """Whether the last step was skipped. This waits for the device."""
        return bool(self.window[-1][-1] > 0) if self.window else self.skipped.counter.in_a_row > 0

    def _watch(self, row: dict[str, float]) -> None:
        """Report a collapse once. Rows are equal on every process, and so is the diagnosis."""
        self.recent = [*self.recent, row][-NUM_ROWS:]
        collapse = diagnose_training(self.recent, self.config)
        if collapse and self.stop_on_collapse:
            raise CollapseError(f"stopped at step {row['step']} by monitoring.stop_on_collapse: {collapse}")
        if collapse and not self.is_collapsed and rank() == 0:
            logger.warning("step %d: %s", row["step"], collapse)
        self.is_collapsed = collapse is not None

    def _write_timing(self, step: int, seconds: float) -> None:
        self.timing.append(
            {
                "step": step,
                "num_steps": self.num_steps,
                "seconds": round(seconds, 3),
                "images_per_second": round(len(self.window) * self.config.batch_size / seconds, 2),
                "data_wait_share": round(self.waited / seconds, 4),
                "memory_mb": round(peak_memory_mb(self.device), 1),
            }
        )


def peak_memory_mb(device: torch.device) -> float:
    """The peak memory of this process so far: allocated on the GPU, or resident on the CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
