"""The only tracked training. It locks its folder, and reports to its model's MLflow run and to the screen."""

import json
import logging
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from dino_pipeline import tracking
from dino_pipeline.dino.core.config import to_dict
from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.launching.torchrun import num_processes
from dino_pipeline.dino.metrics.collapse import diagnose_training
from dino_pipeline.dino.partial import written_whole
from dino_pipeline.dino.progress import EVERY_SECONDS, FIRST_SECONDS, Progress
from dino_pipeline.dino.training import launch as launching
from dino_pipeline.dino.training.checkpoint import checkpoint_step
from dino_pipeline.dino.training.comparison import read_verdict, sentence
from dino_pipeline.dino.training.config import LaunchConfig, MonitoringConfig, TrainingSpec
from dino_pipeline.dino.training.history import (
    CURRENT_STEP,
    HISTORY,
    PREDICTION,
    TIMING,
    HistoryReader,
    Rows,
    numbers,
    read_rows,
)
from dino_pipeline.dino.training.kept_checkpoints import LAST
from dino_pipeline.dino.training.preparation import Prepared, fill_folder, prepare
from dino_pipeline.dino.training.profiling import PROFILE
from dino_pipeline.dino.training.progress import adopted_from
from dino_pipeline.dino.training.skipped import SKIPPED
from dino_pipeline.dino.training.unreadable import UNREADABLE
from dino_pipeline.dino.weights.published import read_model
from dino_pipeline.model_registry.model_lookup import with_paths_of_weights
from dino_pipeline.model_registry.provenance import origin_of_training
from dino_pipeline.tracking.dataset import log_dataset
from dino_pipeline.tracking.runs import DATA_TAG, MANIFESTS, manifest_artifact
from dino_pipeline.tracking.sessions import log_session
from dino_pipeline.tracking.system_metrics import SystemMetrics
from dino_pipeline.workspace.run_lock import run_lock

logger = logging.getLogger(__name__)


class EndedEarly(Exception):  # noqa: N818  # an end, not an error
    """Raise it in `on_progress` to end a training for good. Its run then ends as KILLED, and its folder is removed."""

    def tags(self) -> dict[str, str]:
        """Tags for the model's run that describe the end."""
        return {}


@dataclass(frozen=True, kw_only=True)
class Trainer:
    """Trains on the images of one command.

    Attributes:
        images: images of all splits; their paths are absolute or relative to the project's folder.
        ingest_summary: summary of these images.
        recipe: the recipe's name, which names the models.
        training_folder: keeps the progress of trainings, one folder per fingerprint.
    """

    images: Manifest
    ingest_summary: Mapping[str, Any]
    recipe: str
    project_folder: Path
    training_folder: Path

    def prepare(
        self, pretrain: PretrainConfig, monitoring: MonitoringConfig, launch: LaunchConfig
    ) -> Prepared:
        """Check a training. Writes nothing.

        Raises:
            ValueError: the parameters contradict one another, or do not fit the images or this machine.
        """
        return prepare(
            self.images,
            with_paths_of_weights(pretrain, self.project_folder),
            monitoring,
            launch,
            recipe=self.recipe,
            project_folder=self.project_folder,
            training_folder=self.training_folder,
        )

    def train(
        self,
        prepared: Prepared,
        *,
        name: str,
        tags: Mapping[str, str] | None = None,
        on_progress: Callable[[Rows], None] = lambda rows: None,  # noqa: ARG005
        while_waiting: Callable[[], None] | None = None,
    ) -> Path:
        """Train under torchrun, or find the finished model. Either way its MLflow run is complete.

        Args:
            prepared: see `prepare`.
            name: name of a new run; an existing run keeps its name.
            tags: tags of the calling command, also set on an existing run.
            on_progress: receives the new rows of history and timing, oldest first, twice a second, even when there are
                none. A finished training gives all rows at once. It may raise `EndedEarly`.
            while_waiting: called twice a second while another process runs this training. None: that is an error.

        Returns:
            The folder of the finished model.

        Raises:
            EndedEarly: raised by `on_progress`.
            ValueError: another process runs this training, or the progress to continue from does not fit.
            WorkersFailedError: carries the first failing worker's error.
            WorkersStopped: a worker received a stop signal from outside; the same command continues.
        """
        spec = prepared.spec
        folder = Path(spec.folder)
        end: EndedEarly | None = None
        # Recipes and commands with the same training share its folder. The lock lies beside the folder and outlives it.
        lock = folder.with_name(f".{folder.name}.lock")
        with run_lock(lock, f"the training {spec.fingerprint}", while_waiting=while_waiting):
            fill_folder(prepared)
            # Also opened for a finished model: a kill may have come after its training ended and before its run did.
            with (
                tracking.open_model_run(
                    spec.fingerprint, name=name, tags={**self._tags(prepared), **(tags or {})}
                ) as run,
                ProgressDisplay(folder, num_steps=num_steps(spec, self.images)) as display,
            ):
                run.set_tags(tags or {})
                self._log_inputs(run, spec)

                def follow() -> None:
                    _predict_once(run, spec)
                    rows = display.update()
                    run.log_rows(rows)
                    on_progress(rows)

                try:
                    with SystemMetrics(run):
                        launching.launch(spec, on_progress=follow)
                    follow()
                except EndedEarly as ended:
                    end = ended
                    run.set_tags(end.tags())
                finally:
                    run.log_rows(display.update())
                    log_diagnostics(run, folder, spec.pretrain)
                _log_outcome(run, spec)
            if end and not launching.is_finished(spec):
                run.finish("KILLED")
                shutil.rmtree(folder)  # nothing continues it, and many would fill the disk
        if end:
            raise end
        return launching.finished_folder(spec)

    def _tags(self, prepared: Prepared) -> dict[str, str]:
        asked = prepared.asked
        first_weights = origin_of_training(asked.initial_weights, asked.teacher.weights, self.project_folder)
        return {
            **first_weights.tags,
            **_continuation_tags(adopted_from(Path(prepared.spec.folder))),
        }

    def _log_inputs(self, run: tracking.ModelRun, spec: TrainingSpec) -> None:
        run.log_params({"pretrain": to_dict(spec.pretrain)})
        run.log_json(to_dict(spec.pretrain), "configuration.json")
        self._log_data(run, spec)
        if not launching.is_finished(spec):
            log_session(run, self.project_folder, _session_facts(spec))

    def _log_data(self, run: tracking.ModelRun, spec: TrainingSpec) -> None:
        """Keep the manifest beside earlier ones: by them an image leads to the models that used it.

        A model has several where images join val or test, or labels are corrected.
        """
        digest = self.images.digest()
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / Path(manifest_artifact(digest)).name
            shutil.copyfile(spec.manifest, file)
            run.log_artifact(file, MANIFESTS)
        is_later = (
            launching.is_finished(spec) and read_model(launching.finished_folder(spec)).data_digest != digest
        )
        log_dataset(run, self.ingest_summary, context="evaluation" if is_later else "training")
        run.set_tags({DATA_TAG: digest, "data_set": self.ingest_summary["name"]})


class ProgressDisplay:
    """Steps with epoch, loss, k-NN, images/s and the time left, as a bar or as lines. It also returns the new rows."""

    def __init__(
        self,
        folder: Path,
        *,
        num_steps: int,
        first_seconds: float = FIRST_SECONDS,
        every_seconds: float = EVERY_SECONDS,
    ) -> None:
        self._readers = [HistoryReader(folder / HISTORY), HistoryReader(folder / TIMING)]
        self._current_step = folder / CURRENT_STEP
        self._shown: dict[str, str] = {}
        self._progress = Progress(
            "pretrain",
            total=num_steps,
            unit="steps",
            first_seconds=first_seconds,
            every_seconds=every_seconds,
            leave=None,  # below a study's bar it disappears with its training
            logs_above=True,
        )

    def __enter__(self) -> Self:
        self._current_step.unlink(missing_ok=True)  # of a process that has ended
        self._progress.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._progress.__exit__(kind, error, traceback)

    def update(self) -> list[dict[str, float]]:
        """Read and show new rows. Returns the rows of history and timing, oldest first."""
        rows = [row for reader in self._readers for row in reader.new_rows()]
        for row in rows:
            self._show(row)
        with suppress(FileNotFoundError, ValueError):  # it is being written
            self._progress.move_to(max(self._progress.count, int(self._current_step.read_text())))
        self._progress.refresh()
        return sorted(rows, key=lambda row: row["step"])

    def _show(self, row: dict[str, float]) -> None:
        forms = {
            "epoch": "{:.1f}",
            "loss": "{:.3f}",
            "knn_teacher": "{:.3f}",
            "images_per_second": "{:.0f}",
        }
        names = {"knn_teacher": "k-NN", "images_per_second": "images/s"}
        for key, form in forms.items():
            if key in row:
                self._shown[names.get(key, key)] = form.format(row[key])
        self._progress.show(self._shown)
        self._progress.move_to(
            max(self._progress.count, int(row["step"])),
            total=int(row["num_steps"]) if "num_steps" in row else None,  # a budget may have reduced it
        )


def num_steps(spec: TrainingSpec, images: Manifest) -> int:
    """Optimizer steps of the whole training, without the effect of a budget in hours."""
    return spec.pretrain.epochs * (len(images.split("train")) // spec.pretrain.batch_size)


def log_diagnostics(run: tracking.ModelRun, folder: Path, config: PretrainConfig) -> None:
    """Log problems: skipped steps and unreadable images as lists, a collapse as the tag `collapse`."""
    for name in (SKIPPED, UNREADABLE):
        if (folder / name).is_file() and read_rows(folder / name):
            run.log_artifact(folder / name)
    if (folder / HISTORY).is_file():
        collapse = diagnose_training([numbers(row) for row in read_rows(folder / HISTORY)], config)
        if collapse:
            run.set_tags({"collapse": collapse.kind})


def _log_outcome(run: tracking.ModelRun, spec: TrainingSpec) -> None:
    """Log the history and, for a model that started from existing weights, the verdict on it."""
    history = Path(spec.folder) / HISTORY
    if not launching.is_finished(spec):  # the training ended early
        if history.is_file():
            run.log_artifact(history)
        return
    finished = launching.finished_folder(spec)
    run.log_artifact(finished / HISTORY)
    verdict = read_verdict(finished)
    if verdict:
        logger.info("%s", sentence(verdict))
        run.set_tags({"verdict": verdict["verdict"]})
        run.log_json(verdict, "verdict.json")


def _predict_once(run: tracking.ModelRun, spec: TrainingSpec) -> None:
    """Keep and log what the training is predicted to take, as soon as its trial steps are measured."""
    folder = Path(spec.folder)
    if (folder / PREDICTION).is_file() or not (folder / PROFILE).is_file():
        return
    from dino_pipeline.recipes.cost import memory_bytes, training_bytes, training_cost

    profile = json.loads((folder / PROFILE).read_text())
    prediction = {"step_seconds": profile["seconds_per_step"] * profile["num_steps"]}
    try:
        cost = training_cost(spec.pretrain, root=Path(spec.image_root))
    except (RuntimeError, TypeError, ValueError) as error:  # a loss of the user's own may want data
        logger.debug("memory and disk are not predicted: %s", error)
    else:
        prediction["memory_bytes"] = memory_bytes(spec.pretrain, spec.launch, cost)
        prediction["disk_bytes"] = training_bytes(spec.monitoring, cost, profile["num_steps"])
    with written_whole(folder / PREDICTION) as partial:
        partial.write_text(json.dumps(prediction))
    run.log_json(prediction, PREDICTION)


def _session_facts(spec: TrainingSpec) -> dict[str, Any]:
    """The step a training continues from, and the number of its images."""
    checkpoint = Path(spec.folder) / LAST
    return {
        "from_step": checkpoint_step(checkpoint) if checkpoint.is_file() else 0,
        "adopted_progress": spec.launch.adopt_progress,
        "processes": num_processes(spec.launch.cpu_processes),
        "threads_per_process": spec.launch.threads_per_process,
        "precision": spec.pretrain.precision,
    }


def _continuation_tags(source: str | None) -> dict[str, str]:
    """The link from a run that continues another training to that training's run."""
    if source is None:
        return {}
    run = tracking.find_run(source)
    return {"continued_from": source, **({"continued_from_run": run.run_id} if run else {})}
