"""Run one trial: lay the trial's values over the recipe, train under torchrun, and measure."""

from dataclasses import dataclass, replace
from pathlib import Path

import optuna

from dino_pipeline import tracking
from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.launching.torchrun import num_processes
from dino_pipeline.dino.training.config import LaunchConfig, MonitoringConfig
from dino_pipeline.experiments.train import Trainer, num_steps
from dino_pipeline.experiments.tune.config import TuneConfig
from dino_pipeline.experiments.tune.objective import chosen, measures
from dino_pipeline.experiments.tune.pruning import Collapsed, PruningCallback
from dino_pipeline.experiments.tune.requeue import Heartbeat
from dino_pipeline.experiments.tune.search_space import SearchSpace

# Attributes of a trial, in addition to its parameters and values.
VALUES, FINGERPRINT, MEASURES, COLLAPSED = "values", "fingerprint", "measures", "collapsed"


@dataclass(frozen=True, kw_only=True)
class TrialContext:
    """The values that all trials of a study share."""

    trainer: Trainer
    extract: ExtractConfig
    parent_run: str  # the study's run in MLflow; empty without tracking


def run_trial(
    trial: optuna.Trial, space: SearchSpace, config: TuneConfig, context: TrialContext
) -> list[float]:
    """Train and measure. Returns the objective's value, and the cost's where the study has one.

    While another process runs the same training, the trial waits; then it finds the model.

    Raises:
        optuna.TrialPruned: it collapsed, or other trials were better; its progress is removed.
        ValueError: the values contradict one another or do not fit the images, or the objective cannot be measured.
        WorkersFailedError: the training failed.
        WorkersStopped: a stop was requested; the training can continue.
    """
    trainer = context.trainer
    heartbeat = Heartbeat(trial, seconds=config.heartbeat_seconds)
    values = space.suggest(trial)
    trial.set_user_attr(VALUES, values)
    parameters = space.trial_parameters(values)
    launch = from_dict(LaunchConfig, parameters["launch"])
    prepared = trainer.prepare(
        from_dict(PretrainConfig, parameters["pretrain"]),
        from_dict(MonitoringConfig, parameters["monitoring"]),
        replace(launch, adopt_progress=None),  # only the recipe's own training continues from it
    )
    spec = prepared.spec
    trial.set_user_attr(FINGERPRINT, spec.fingerprint)
    callback = PruningCallback(
        trial,
        spec,
        heartbeat,
        num_steps=num_steps(spec, trainer.images),
        objective=config.objective,
        prunes=config.cost is None,
    )
    try:
        finished = trainer.train(
            prepared,
            name=f"{trial.study.study_name}-{trial.number}",
            tags=_tags(trial, context),
            on_progress=callback,
            while_waiting=heartbeat.beat,
        )
    except Collapsed as end:
        trial.set_user_attr(COLLAPSED, str(end))
        raise
    measured = measures(
        Path(spec.folder),
        finished,
        trainer.images.split("train"),
        context.extract,
        num_processes=num_processes(spec.launch.cpu_processes),
        max_images=spec.monitoring.max_images,
        alpha_ranks=config.alpha_ranks,
    )
    trial.set_user_attr(MEASURES, measured)
    run = tracking.model_run(spec.fingerprint)
    run.log_metrics({f"tune/{name}": value for name, value in measured.items()})
    return chosen(measured, config.objective, config.cost)


def _tags(trial: optuna.Trial, context: TrialContext) -> dict[str, str]:
    """Tags that place the model's run below the study's run."""
    tags = {"study": trial.study.study_name, "trial": str(trial.number)}
    if context.parent_run:
        tags["mlflow.parentRunId"] = context.parent_run
    return tags
