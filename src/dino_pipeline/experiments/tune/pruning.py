"""What happens while a trial trains: rows go to MLflow and to the study, which may end the training."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import optuna

from dino_pipeline.dino.metrics.collapse import NUM_ROWS
from dino_pipeline.dino.training.collapse import diagnose_training
from dino_pipeline.dino.training.history import HISTORY, TIMING, HistoryReader
from dino_pipeline.experiments.tune.liveness import Heartbeat
from dino_pipeline.experiments.tune.objective import COLUMNS

if TYPE_CHECKING:
    from dino_pipeline.dino.training.config import TrainingSpec
    from dino_pipeline.tracking import ModelRun


class Collapsed(optuna.TrialPruned):  # an end, not an error, as the class it derives from
    """A training that learns nothing any more."""


class Watch:
    """Called twice a second; raises what ends the training."""

    def __init__(
        self,
        trial: optuna.Trial,
        spec: "TrainingSpec",
        run: "ModelRun",
        heartbeat: Heartbeat,
        *,
        num_steps: int,
        objective: str,
        prunes: bool,
    ) -> None:
        """Follow one trial.

        Args:
            num_steps: of the whole training.
            objective: what is reported at each evaluation, where the history has it.
            prunes: whether the study may end the training early; not with two objectives.
        """
        self._trial = trial
        self._spec = spec
        self._run = run
        self._heartbeat = heartbeat
        self._num_steps = num_steps
        self._column = COLUMNS.get(objective) if prunes else None
        self._recent: list[Mapping[str, Any]] = []  # the last rows
        self._readers = [HistoryReader(Path(spec.folder) / name) for name in (HISTORY, TIMING)]

    def __call__(self) -> None:
        """Read what is new.

        Raises:
            Collapsed: the training has collapsed.
            optuna.TrialPruned: the others were better at this evaluation.
        """
        self._heartbeat.beat()
        history, timing = (reader.new_rows() for reader in self._readers)
        self._run.log_rows(sorted([*history, *timing], key=lambda row: row["step"]))
        for row in history:
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
            raise optuna.TrialPruned(f"evaluation {evaluation}: {row[self._column]:.4f}")
