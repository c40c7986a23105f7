"""The trainings of overlays: all checked before the first is begun, each in its model's own MLflow run."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from dino_pipeline import tracking
from dino_pipeline.dino.core.config import to_dict
from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.launching.torchrun import WorkersFailedError
from dino_pipeline.dino.training import launch as launching
from dino_pipeline.dino.training.config import TrainingSpec
from dino_pipeline.dino.training.preparation import prepare
from dino_pipeline.experiments.compare.rows import Training
from dino_pipeline.plotting.progress_bar import ProgressDisplay

logger = logging.getLogger(__name__)


class Trained(NamedTuple):
    """What became of a training: the folder of its model, or why there is none."""

    row: str
    model: Path | None
    failure: str


def prepare_all(
    trainings: Sequence[Training],
    images: Manifest,
    *,
    recipe: str,
    project_folder: Path,
    training_folder: Path,
) -> list[TrainingSpec]:
    """What is launched for each training.

    Raises:
        ValueError: one could not run with these images on this machine, saying in which row.
    """
    specs = []
    for training in trainings:
        try:
            spec = prepare(
                images,
                training.pretrain,
                training.monitoring,
                training.launch,
                recipe=recipe,
                project_folder=project_folder,
                training_folder=training_folder,
            )
        except ValueError as error:
            raise ValueError(f"compare.overlays, row {training.row!r}: {error}") from error
        specs.append(spec)
    return specs


def train_all(
    trainings: Sequence[Training], specs: Sequence[TrainingSpec], images: Manifest, *, comparison: str
) -> list[Trained]:
    """Train one after the other; one that fails leaves the others to go on.

    Args:
        specs: as `prepare_all` made them of these trainings and images.

    Raises:
        WorkersStopped: asked to stop; the same command continues.
    """
    trained = []
    for number, (training, spec) in enumerate(zip(trainings, specs, strict=True), start=1):
        logger.info(
            "training %d of %d: %s, seed %d%s",
            number,
            len(specs),
            training.row,
            spec.pretrain.seed,
            ", is there already" if launching.is_finished(spec) else "",
        )
        try:
            model = _train(training.row, spec, images, comparison)
            trained.append(Trained(training.row, model, ""))
        except WorkersFailedError as error:
            reason = (str(error).strip().splitlines() or ["no reason given"])[-1]
            logger.warning("%s, seed %d failed: %s", training.row, spec.pretrain.seed, reason)
            trained.append(
                Trained(training.row, None, f"seed {spec.pretrain.seed} did not finish training: {reason}")
            )
    return trained


def _train(row: str, spec: TrainingSpec, images: Manifest, comparison: str) -> Path:
    steps_per_epoch = len(images.split("train")) // spec.pretrain.batch_size
    name = f"{spec.recipe}-{row}-{spec.pretrain.seed}"
    tags = {"data_digest": images.digest()}
    with (
        tracking.open_model_run(spec.fingerprint, name=name, tags=tags) as run,
        ProgressDisplay(Path(spec.folder), num_steps=spec.pretrain.epochs * steps_per_epoch) as shown,
    ):
        # A model may be in several comparisons.
        run.set_tags({f"comparison.{comparison}": row})
        run.log_params({"pretrain": to_dict(spec.pretrain)})
        run.log_json(to_dict(spec.pretrain), "configuration.json")

        def follow() -> None:
            run.log_rows(shown.update())

        finished = launching.launch(spec, on_progress=follow)
        follow()
        run.log_artifact(finished / "history.csv")
    return finished
