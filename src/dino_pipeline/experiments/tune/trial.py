"""One trial: the recipe with the trial's values above it, really trained under torchrun, and measured."""

import fcntl
import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import optuna

from dino_pipeline import tracking
from dino_pipeline.dino.core.config import from_dict, to_dict
from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.launching.torchrun import num_processes
from dino_pipeline.dino.training import launch as launching
from dino_pipeline.dino.training.config import LaunchConfig, MonitoringConfig, TrainingSpec
from dino_pipeline.dino.training.history import HISTORY
from dino_pipeline.dino.training.preparation import prepare
from dino_pipeline.experiments.tune.config import TuneConfig
from dino_pipeline.experiments.tune.liveness import Heartbeat
from dino_pipeline.experiments.tune.objective import chosen, measures
from dino_pipeline.experiments.tune.search_space import SearchSpace
from dino_pipeline.experiments.tune.watch import Collapsed, Watch

# Attributes of a trial, beside its parameters and values.
VALUES, FINGERPRINT, MEASURES, COLLAPSED = "values", "fingerprint", "measures", "collapsed"
_POLL_SECONDS = 0.5


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What all trials of a study share."""

    images: Manifest
    project_folder: Path
    training_folder: Path
    extract: ExtractConfig
    parent_run: str  # of the study, in MLflow; empty where nothing is tracked


def make_trial(
    trial: optuna.Trial, space: SearchSpace, config: TuneConfig, surroundings: Surroundings
) -> list[float]:
    """Train and measure; the objective's value, and the cost's where the study has one.

    Raises:
        optuna.TrialPruned: it collapsed, or others were better; what it trained so far is removed.
        ValueError: the values fit neither one another nor the images, or the objective cannot be measured.
        WorkersFailedError: the training failed.
        WorkersStopped: it was asked to stop, and can be continued.
    """
    heartbeat = Heartbeat(trial, seconds=config.heartbeat_seconds)
    values = space.suggest(trial)
    trial.set_user_attr(VALUES, values)
    parameters = space.trial_parameters(values)
    with _alone(surroundings.training_folder, parameters["pretrain"], while_waiting=heartbeat.beat):
        spec = _prepare(trial, parameters, surroundings)
        trial.set_user_attr(FINGERPRINT, spec.fingerprint)
        with _nested_run(trial, spec, surroundings) as run:
            try:
                found = _train(trial, spec, config, surroundings, run, heartbeat)
            except optuna.TrialPruned as end:
                if isinstance(end, Collapsed):
                    trial.set_user_attr(COLLAPSED, str(end))
                    run.set_tags({"collapsed": str(end)})
                run.log_artifact(Path(spec.folder) / HISTORY)
                shutil.rmtree(spec.folder)  # nobody continues it, and a large study would fill the disk
                raise
            trial.set_user_attr(MEASURES, found)
            run.log_metrics({f"tune/{name}": value for name, value in found.items()})
            return chosen(found, config.objective, config.cost)


def _prepare(trial: optuna.Trial, parameters: Mapping[str, Any], surroundings: Surroundings) -> TrainingSpec:
    launch = from_dict(LaunchConfig, parameters["launch"])
    return prepare(
        surroundings.images,
        from_dict(PretrainConfig, parameters["pretrain"]),
        from_dict(MonitoringConfig, parameters["monitoring"]),
        replace(launch, adopt_progress=None),  # that is the recipe's own training
        recipe=trial.study.study_name,
        project_folder=surroundings.project_folder,
        training_folder=surroundings.training_folder,
    )


def _train(
    trial: optuna.Trial,
    spec: TrainingSpec,
    config: TuneConfig,
    surroundings: Surroundings,
    run: tracking.ModelRun,
    heartbeat: Heartbeat,
) -> dict[str, float]:
    train = surroundings.images.split("train")
    watch = Watch(
        trial,
        spec,
        run,
        heartbeat,
        num_steps=spec.pretrain.epochs * (len(train) // spec.pretrain.batch_size),
        objective=config.objective,
        prunes=config.cost is None,
    )
    finished = launching.launch(spec, on_progress=watch)
    watch()  # a training that was finished before says all at once
    run.log_artifact(finished / HISTORY)
    return measures(
        Path(spec.folder),
        finished,
        train,
        surroundings.extract,
        num_processes=num_processes(spec.launch.cpu_processes),
        max_images=spec.monitoring.max_images,
        alpha_ranks=config.alpha_ranks,
    )


@contextmanager
def _nested_run(
    trial: optuna.Trial, spec: TrainingSpec, surroundings: Surroundings
) -> Iterator[tracking.ModelRun]:
    """The model's run, below the study's; a pruned trial's ends as KILLED."""
    name = f"{trial.study.study_name}-{trial.number}"
    tags = {
        "study": trial.study.study_name,
        "trial": str(trial.number),
        "data_digest": surroundings.images.digest(),
    }
    if surroundings.parent_run:
        tags["mlflow.parentRunId"] = surroundings.parent_run
    pruned = None
    with tracking.open_model_run(spec.fingerprint, name=name, tags=tags) as run:
        run.set_tags(tags)  # of a model that another trial has trained, too
        run.log_params({"pretrain": to_dict(spec.pretrain)})
        run.log_json(to_dict(spec.pretrain), "configuration.json")
        try:
            yield run
        except optuna.TrialPruned as end:
            pruned = end
            run.set_tags({"pruned": str(end)})
    if pruned:
        run.finish("KILLED")
        raise pruned


@contextmanager
def _alone(
    training_folder: Path, pretrain: Mapping[str, Any], *, while_waiting: Callable[[], None]
) -> Iterator[None]:
    """Two workers that were given equal parameters would write one folder: the second waits for the first."""
    key = hashlib.sha256(json.dumps(pretrain, sort_keys=True).encode()).hexdigest()[:16]
    with (training_folder / f".{key}.lock").open("w") as guard:
        while not _locks(guard.fileno()):
            while_waiting()
            time.sleep(_POLL_SECONDS)
        yield


def _locks(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
