"""The tune pipeline: search for better parameters of a recipe by many short trainings."""

import json
import logging
from pathlib import Path
from typing import Any

from kedro.pipeline import Node, Pipeline

from dino_pipeline import tracking
from dino_pipeline.dino.core.config import to_dict
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.training.config import LaunchConfig, MonitoringConfig
from dino_pipeline.experiments.tune.config import TuneConfig

JOURNAL = "studies.journal"

logger = logging.getLogger(__name__)


def search_parameters(
    manifest: Any,  # a data frame; pandas is slow to import
    ingest_summary: dict[str, Any],
    project_folder: Path,
    training_folder: Path,
    tuning_folder: Path,
    recipe: str,
    pretrain: PretrainConfig,
    monitoring: MonitoringConfig,
    launch: LaunchConfig,
    extract: ExtractConfig,
    tune: TuneConfig,
) -> str:
    """Run the trials that the study lacks. Each is a run below the study's run.

    Returns:
        The study's name.

    Raises:
        ValueError: before trial 0: the space does not fit the recipe, or the images lack the labels of the objective.
    """
    from dino_pipeline.dino.core.data.manifest import Manifest
    from dino_pipeline.experiments.train import Trainer
    from dino_pipeline.experiments.tune.objective import check_images
    from dino_pipeline.experiments.tune.recipe import check_target
    from dino_pipeline.experiments.tune.search import search
    from dino_pipeline.experiments.tune.search_space import SearchSpace
    from dino_pipeline.experiments.tune.study import open_storage, open_study
    from dino_pipeline.experiments.tune.trial import TrialContext

    images = Manifest.from_pandas(manifest, project_folder)
    check_images(images, tune.objective)
    check_target(_target(project_folder, recipe, tune))
    groups = {"pretrain": to_dict(pretrain), "monitoring": to_dict(monitoring), "launch": to_dict(launch)}
    space = SearchSpace(tune, groups)
    name = tune.study or recipe
    storage = open_storage(tune.storage, tuning_folder / JOURNAL, project_folder)
    study = open_study(storage, tune, space, name=name, data_digest=images.digest())
    with tracking.open_study_run(name) as run:
        run.log_params({"tune": to_dict(tune)})
        trainer = Trainer(
            images=images,
            ingest_summary=ingest_summary,
            recipe=recipe,
            project_folder=project_folder,
            training_folder=training_folder,
        )
        search(study, space, tune, TrialContext(trainer=trainer, extract=extract, parent_run=run.run_id))
    return name


def describe_study(
    name: str, project_folder: Path, tuning_folder: Path, tune: TuneConfig
) -> tuple[Any, Any, Any, Any]:
    """Table, summary, and the pictures of values and importance. The study's run gets copies."""
    import optuna

    from dino_pipeline.experiments.tune import figures
    from dino_pipeline.experiments.tune.results import summary, trials_table
    from dino_pipeline.experiments.tune.study import FROM_BELOW, open_storage

    study = optuna.load_study(
        study_name=name, storage=open_storage(tune.storage, tuning_folder / JOURNAL, project_folder)
    )
    table = trials_table(study)
    found = summary(study, table, tune)
    history = (
        figures.cost_picture(table, tune.objective, tune.cost)
        if tune.cost
        else figures.history_picture(table, tune.objective, maximise=tune.objective not in FROM_BELOW)
    )
    importance = figures.importance_picture(study)
    with tracking.open_study_run(name) as run:
        run.log_json(found, "tuning.json")
        run.log_json(json.loads(table.to_json(orient="records")), "trials.json")
        run.log_metrics({f"tune/{key}": value for key, value in found["chosen"]["measures"].items()})
    return table, found, history, importance


def write_tuned_recipe(
    found: dict[str, Any], project_folder: Path, recipe: str, pretrain: PretrainConfig, tune: TuneConfig
) -> None:
    """Write the chosen trial's values over the recipe, as a new recipe."""
    from dino_pipeline.experiments.tune.recipe import write_tuned

    chosen, before = found["chosen"], found["recipe"]["measures"] or {}
    score = f"{found['objective']} {chosen['measures'][found['objective']]:.4g}"
    if found["objective"] in before:
        score += f", {recipe} itself {before[found['objective']]:.4g}"
    folder = _target(project_folder, recipe, tune)
    write_tuned(
        folder,
        chosen["values"],
        heading=f"Study {found['study']}, trial {chosen['trial']}, on the trials' budget: {score}.",
        recipe=recipe,
        pretrain=to_dict(pretrain),
    )
    logger.info("trial %d is conf/%s now: %s", chosen["trial"], folder.name, score)


def _target(project_folder: Path, recipe: str, tune: TuneConfig) -> Path:
    return project_folder / "conf" / (tune.tuned_recipe or f"{recipe}_tuned")


def create_pipeline() -> Pipeline:
    """Turn a manifest into a study, and the study into its table, its pictures and a recipe."""
    return Pipeline(
        [
            Node(
                search_parameters,
                inputs=[
                    "manifest",
                    "ingest_summary",
                    "project_folder",
                    "training_folder",
                    "tuning_folder",
                    "params:recipe",
                    "params:pretrain",
                    "params:monitoring",
                    "params:launch",
                    "params:extract",
                    "params:tune",
                ],
                outputs="study_name",
                name="search_parameters",
            ),
            Node(
                describe_study,
                inputs=["study_name", "project_folder", "tuning_folder", "params:tune"],
                outputs=["trials", "tuning_summary", "tuning_history_picture", "tuning_importance_picture"],
                name="describe_study",
            ),
            Node(
                write_tuned_recipe,
                inputs=[
                    "tuning_summary",
                    "project_folder",
                    "params:recipe",
                    "params:pretrain",
                    "params:tune",
                ],
                outputs=None,
                name="write_tuned_recipe",
            ),
        ]
    )
