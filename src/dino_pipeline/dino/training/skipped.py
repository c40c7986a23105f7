"""Records steps that were skipped because a number was not finite: step, process and manifest rows."""

import logging
from collections.abc import Callable
from pathlib import Path

from torch import Tensor

from dino_pipeline.dino.core.distributed import rank, world_size
from dino_pipeline.dino.core.optimization.skipping import NonFiniteError, SkipCounter
from dino_pipeline.dino.training.history import RowFile

SKIPPED = "skipped_steps.csv"
_COLUMNS = ["step", "process", "not_finite", "rows"]
_SHOWN = 8  # rows in a message; the file has all

logger = logging.getLogger(__name__)


class SkippedSteps:
    """Counts skipped steps, and writes one row per step and process whose loss was not finite."""

    def __init__(
        self,
        folder: Path,
        max_in_a_row: int,
        rows_of: Callable[[int, int], list[int]],
        *,
        expects_overflow: bool,
    ) -> None:
        """Prepare the file of skipped steps.

        Args:
            max_in_a_row: more are an error.
            expects_overflow: float16 gradients overflow until their scale settles; then there is no warning.
            rows_of: manifest rows that a process takes in a step; steps count from 0.
        """
        self.path = folder / SKIPPED
        self._file = RowFile(self.path, _COLUMNS)
        self.rows_of = rows_of
        self.expects_overflow = expects_overflow
        self.counter = SkipCounter(max_in_a_row)

    def start(self, step: int) -> None:
        """Create the file, or cut it after `step`."""
        if rank() == 0:
            self._file.cut_after(step)

    def take_in(self, is_skipped: list[bool], loss_is_finite: Tensor, *, last_step: int) -> None:
        """Process a window of steps with at least one skipped step.

        Args:
            is_skipped: one value per step
            loss_is_finite: bool [processes, steps]
            last_step: the window's last step, counted from 1 as everywhere in reports

        Raises:
            NonFiniteError: too many in a row; raised on every process at the same step.
        """
        first_step = last_step - len(is_skipped) + 1
        for index, skipped in enumerate(is_skipped):
            is_one_too_many = self.counter.add(skipped)
            if not skipped:
                continue
            processes = (~loss_is_finite[:, index]).nonzero().flatten().tolist()
            description = self._record(first_step + index, processes)
            if is_one_too_many:
                raise NonFiniteError(
                    f"{self.counter.in_a_row} steps in a row had a loss or gradient that is not finite, the last "
                    f"one at {description} (all are in {self.path}): lower pretrain.schedules.learning_rate, "
                    "train in fp32, or check these images"
                )

    def end(self, num_steps: int) -> None:
        """Check the whole training at its end.

        Raises:
            NonFiniteError: every step was skipped, although not too many in a row; nothing was learned.
        """
        if self.counter.in_a_row == num_steps:
            raise NonFiniteError(
                f"all {num_steps} steps had a loss or gradient that is not finite (all are in {self.path}), so "
                "nothing was learned: lower pretrain.schedules.learning_rate, train in fp32, or, if these are "
                "the first steps of fp16, raise pretrain.epochs"
            )

    def _record(self, step: int, processes: list[int]) -> str:
        """Write a row and a log line for a step; return the text of the line."""
        what = "loss" if processes else "gradient"
        rows = {
            process: " ".join(map(str, self.rows_of(step - 1, process)))
            # The gradient is the mean over all processes, so each of them is a possible source.
            for process in processes or range(world_size())
        }
        shown = "; ".join(f"process {process}, rows {_shortened(text)}" for process, text in rows.items())
        description = f"step {step}: {what} of {shown}"
        if rank() == 0:
            is_expected = self.expects_overflow and not processes
            logger.log(logging.INFO if is_expected else logging.WARNING, "skipped %s", description)
            for process, text in rows.items():
                self._file.append({"step": step, "process": process, "not_finite": what, "rows": text})
        return description


def _shortened(rows: str) -> str:
    words = rows.split()
    return " ".join([*words[:_SHOWN], "..."] if len(words) > _SHOWN else words)
