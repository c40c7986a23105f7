"""Report a trial's evaluations to the study while it trains. The study may end the training."""

import math
from collections.abc import Mapping
from typing import Any

import optuna

from dino_pipeline.dino.metrics.collapse import NUM_ROWS, diagnose_training
from dino_pipeline.dino.training.config import TrainingSpec
from dino_pipeline.dino.training.history import Rows
from dino_pipeline.experiments.train import EndedEarly
from dino_pipeline.experiments.tune.objective import COLUMNS
from dino_pipeline.experiments.tune.requeue import Heartbeat


class Pruned(EndedEarly, optuna.TrialPruned):
    """Other trials were better at this evaluation."""

    def tags(self) -> dict[str, str]:
        return {"pruned": str(self)}


class Collapsed(Pruned):
    """The training no longer learns."""

    def tags(self) -> dict[str, str]:
        return {**super().tags(), "collapsed": str(self)}


class PruningCallback:
    """Receives a training's new rows twice a second, and raises an exception to end the training."""

    def __init__(
        self,
        trial: optuna.Trial,
        spec: TrainingSpec,
        heartbeat: Heartbeat,
        *,
        num_steps: int,
        objective: str,
        prunes: bool,
    ) -> None:
        """Prepare to report one trial.

        Args:
            num_steps: steps of the whole training.
            objective: the value to report at each evaluation, where the history has it.
            prunes: whether the study may end the training early; False with two objectives.
        """
        self._trial = trial
        self._spec = spec
        self._heartbeat = heartbeat
        self._num_steps = num_steps
        self._column = COLUMNS.get(objective) if prunes else None
        self._recent: list[Mapping[str, Any]] = []  # the last rows

    def __call__(self, rows: Rows) -> None:
        """Report the new evaluations.

        Args:
            rows: rows of history and timing.

        Raises:
            Collapsed: the training has collapsed.
            Pruned: other trials were better at this evaluation.
        """
        self._heartbeat.beat()
        for row in rows:
            if "epoch" in row:  # a row of the history
                self._end_if_collapsed(row)
                self._report(row)

    def _end_if_collapsed(self, row: Mapping[str, Any]) -> None:
        self._recent = [*self._recent, row][-NUM_ROWS:]
        collapse = diagnose_training(self._recent, self._spec.pretrain)
        if collapse:
            raise Collapsed(collapse.kind)

    def _report(self, row: Mapping[str, float]) -> None:
        if self._column is None or self._column not in row:
            return
        every = self._spec.monitoring.evaluate_every_epochs
        evaluation = math.ceil(row["epoch"] / every)  # the last one comes early where epochs are no multiple
        self._trial.report(row[self._column], evaluation)
        is_last = row["step"] >= self._num_steps
        if not is_last and self._trial.should_prune():
            raise Pruned(f"evaluation {evaluation}: {row[self._column]:.4f}")
