"""Windows of steps become rows of history.csv and timing.csv."""

import math
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from dino_pipeline.dino.distributed import all_reduce_sum, gather, rank, world_size
from dino_pipeline.dino.training.config import MonitoringConfig, PretrainConfig
from dino_pipeline.dino.training.history import (
    HISTORY,
    HISTORY_COLUMNS,
    TIMING,
    TIMING_COLUMNS,
    RowFile,
)
from dino_pipeline.dino.training.step import Scheduled, StepMetrics


class Monitor:
    """Averages metrics over the steps since the last row, and over processes; rank 0 writes."""

    def __init__(
        self,
        folder: Path,
        config: PretrainConfig,
        monitoring: MonitoringConfig,
        steps_per_epoch: int,
        device: torch.device,
    ) -> None:
        self.config = config
        self.every = monitoring.log_every_steps
        self.steps_per_epoch = steps_per_epoch
        self.device = device
        self.history = RowFile(folder / HISTORY, HISTORY_COLUMNS)
        self.timing = RowFile(folder / TIMING, TIMING_COLUMNS)
        self.window: list[Tensor] = []  # [metrics] of each step since the last row
        self.waited = 0.0
        self.row_at = time.perf_counter()

    def start(self, step: int, num_steps: int) -> None:
        """Begin, or take up, the files of a training that has come this far."""
        self.num_steps = num_steps
        if rank() == 0:
            self.history.cut_after(step)
            self.timing.cut_after(step)

    def after_step(self, metrics: StepMetrics, now: Scheduled, *, waited: float) -> None:
        """Take in one step; nothing here waits for the device."""
        self.window.append(torch.stack(metrics).float())
        self.now = now
        self.waited += waited

    def unwritten(self) -> Tensor | None:
        """What no row holds yet, [processes, steps, metrics], for the checkpoint: a resumed history misses nothing."""
        return gather(torch.stack(self.window)).cpu() if self.window else None

    def restore(self, unwritten: Tensor | None) -> None:
        """Take up a window where the checkpoint left it."""
        if unwritten is not None:
            # With another number of processes the mean over all stands for each.
            own = unwritten[rank()] if len(unwritten) == world_size() else unwritten.mean(dim=0)
            self.window = list(own.to(self.device))

    def write_due_row(
        self, step: int, *, last: bool, evaluate: Callable[[], dict[str, float]] | None
    ) -> None:
        """Write a row at the end of a window or of the run, or when an evaluation is due, which then joins it.

        Raises:
            FloatingPointError: the loss of the window is not finite.
        """
        if step % self.every and not last and not evaluate:
            return
        # One transfer and one reduction a window, whatever its length.
        means = torch.stack(self.window).mean(dim=0)
        loss, entropy, kl, gradient_norm = (all_reduce_sum(means) / world_size()).tolist()
        if not math.isfinite(loss):
            raise FloatingPointError(
                f"the loss is {loss} in the {len(self.window)} steps up to step {step}: lower "
                "pretrain.schedules.learning_rate, or train in fp32"
            )
        seconds = time.perf_counter() - self.row_at  # without the evaluation, which is no training time
        evaluation = evaluate() if evaluate else {}
        if rank() == 0:
            self.history.append(
                {
                    "step": step,
                    "epoch": step / self.steps_per_epoch,
                    "images_seen": step * self.config.batch_size,
                    "loss": loss,
                    "teacher_entropy": entropy,
                    "kl": kl,
                    "gradient_norm": gradient_norm,
                    "learning_rate": self.now.learning_rate,
                    "weight_decay": self.now.weight_decay,
                    "teacher_momentum": self.now.teacher_momentum,
                    "teacher_temperature": self.now.teacher_temperature,
                    **evaluation,
                }
            )
            self._write_timing(step, seconds)
        self.window = []
        self.waited = 0.0
        self.row_at = time.perf_counter()

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
    """The most memory this process has held so far: on the GPU, or resident on the CPU."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    unit = 1 if sys.platform == "darwin" else 1024  # macOS counts bytes, Linux KiB
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20
