"""Train the overlays. All are checked before the first training starts. Each has its model's own MLflow run."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from dino_pipeline.dino.launching.torchrun import WorkersFailedError
from dino_pipeline.dino.training.launch import is_finished
from dino_pipeline.dino.training.preparation import Prepared
from dino_pipeline.experiments.compare.rows import OverlayTraining
from dino_pipeline.experiments.train import Trainer

logger = logging.getLogger(__name__)


class Trained(NamedTuple):
    """The result of a training: the folder of its model, or the reason why there is none."""

    row: str
    model: Path | None
    failure: str


def prepare_all(trainings: Sequence[OverlayTraining], trainer: Trainer) -> list[Prepared]:
    """Check each training.

    Raises:
        ValueError: a training cannot run with these images on this machine; the text names its row.
    """
    prepared = []
    for training in trainings:
        try:
            one = trainer.prepare(training.pretrain, training.monitoring, training.launch)
            one.start = None  # the weights of all trainings together may not fit into memory
            prepared.append(one)
        except ValueError as error:
            raise ValueError(f"compare.overlays, row {training.row!r}: {error}") from error
    return prepared


def train_all(
    trainings: Sequence[OverlayTraining], prepared: Sequence[Prepared], trainer: Trainer, *, comparison: str
) -> list[Trained]:
    """Train one after the other. A failed training does not stop the others. A training of another process is awaited.

    Args:
        prepared: see `prepare_all`.

    Raises:
        WorkersStopped: a stop was requested; the same command continues.
    """
    trained = []
    for number, (training, one) in enumerate(zip(trainings, prepared, strict=True), start=1):
        seed = one.spec.pretrain.seed
        logger.info(
            "training %d of %d: %s, seed %d%s",
            number,
            len(prepared),
            training.row,
            seed,
            ", already trained" if is_finished(one.spec) else "",
        )
        try:
            model = trainer.train(
                one,
                name=f"{trainer.recipe}-{training.row}-{seed}",
                tags={f"comparison.{comparison}": training.row},  # a model may be in several comparisons
                while_waiting=lambda: None,
            )
            trained.append(Trained(training.row, model, ""))
        except WorkersFailedError as error:
            reason = (str(error).strip().splitlines() or ["no reason given"])[-1]
            logger.warning("%s, seed %d failed: %s", training.row, seed, reason)
            trained.append(Trained(training.row, None, f"seed {seed} did not finish training: {reason}"))
        except ValueError as error:
            raise ValueError(f"compare.overlays, row {training.row!r}: {error}") from error
    return trained
