"""The register pipeline: register a model as a version that can be served."""

import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import yaml
from kedro.pipeline import Node, Pipeline

from dino_pipeline import tracking
from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.images_config import ImagesConfig
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.model_registry.config import RegisterConfig
from dino_pipeline.tracking.git_info import COMMIT_TAG, DIRTY_TAG, EXPERIMENT_TAG, commit_in_words
from dino_pipeline.tracking.registration import register_version

logger = logging.getLogger(__name__)


def register_model(
    model: Path,
    metrics: dict[str, Any],
    ingest_summary: dict[str, Any],
    project_folder: Path,
    recipe: str,
    extract: ExtractConfig,
    config: RegisterConfig,
) -> None:
    """Register the teacher's backbone as a version of the data set's model, unless it exists. Nothing is promoted.

    Args:
        model: the published model's folder.
        metrics: the measures of evaluation.
        ingest_summary: summary of the data set's ingestion.
        project_folder: for what to do next.
        recipe: its name in the project.
        extract: preprocessing, which the served model repeats.
    """
    from dino_pipeline.dino.weights.published import read_model
    from dino_pipeline.model_registry.model_card import model_card
    from dino_pipeline.model_registry.provenance import origin_of_model
    from dino_pipeline.model_registry.served_files import served_contents, write_served

    published = read_model(model)
    images = from_dict(ImagesConfig, published.config["images"])
    name = f"{config.name_prefix}-{ingest_summary['name']}"
    run = tracking.model_run(published.fingerprint)
    run_tags = run.tags()
    card = model_card(
        published,
        metrics,
        ingest_summary,
        origin_of_model(published.config, run_tags),
        crop=extract.crop,
        commit=commit_in_words(run_tags),
    )
    run.log_text(card, "model_card.md")
    contents = served_contents(model, published, images, extract)
    tags = {
        "fingerprint": published.fingerprint,
        "data_digest": published.data_digest,
        "data_set": ingest_summary["name"],
        "recipe": published.recipe,
        **_knn_tags(metrics),
        **_origin_of_run(run_tags),
    }
    registered = register_version(
        run,
        registered_name=name,
        alias=config.alias,
        tags=tags,
        earlier_tags=[{**tags, "fingerprint": one} for one in published.fingerprints[1:]],
        description=card,
        contents=contents,
        write=partial(write_served, model, contents),
    )
    if registered is None:
        logger.warning("%s will be registered when MLflow's store has received all kept records", name)
    elif registered.is_new:
        logger.info("registered %s version %s as %s", name, registered.number, config.alias)
    else:
        logger.info("%s version %s is this model already; it is %s", name, registered.number, config.alias)
    logger.info(next_commands(project_folder, recipe))


def next_commands(project: Path, recipe: str) -> str:
    """What to do next: only files, recipes and commands that this project has."""
    conf = project / "conf"
    dvc_recipe = conf / "dvc_recipe.yml"
    is_dvcs = (project / ".dvc").is_dir() and dvc_recipe.is_file()
    again = (
        "dvc repro"
        if is_dvcs and yaml.safe_load(dvc_recipe.read_text()) == {"recipe": recipe}
        else f"kedro run --env={recipe}"
    )
    lines = {
        f"data/08_reporting/{recipe}/report.html": "what the model learned, on one page",
        tracking.ui_command(project): "the run, its curves and the registered model in MLflow",
        again: "run again only what has changed",
    }
    if (conf / "folder_of_images").is_dir() and recipe != "folder_of_images":
        command = "kedro run --env=folder_of_images --params=ingest.source=/photos"
        lines[command] = "your own folder of images"
    else:
        command = f"dino-pipeline embed FOLDER --model {recipe} --output features.parquet"
        lines[command] = "the model's features of any folder of images"
    return "\n".join(["next:", *(f"  {command:<24}  {what}" for command, what in lines.items())])


def _knn_tags(metrics: dict[str, Any]) -> dict[str, str]:
    """The teacher's k-NN accuracies on validation, for comparisons of versions."""
    return {
        f"val/{name}": f"{value:.4f}"
        for name, value in metrics["val"]["teacher"].items()
        if name.startswith("knn") and not name.endswith("top5")
    }


def _origin_of_run(run_tags: Mapping[str, str]) -> dict[str, str]:
    """The code of the model's training, not the code of its registration."""
    tags = {
        name: run_tags.get(tag, "unknown")
        for name, tag in (("git_commit", COMMIT_TAG), ("git_dirty", DIRTY_TAG))
    }
    return tags | ({EXPERIMENT_TAG: run_tags[EXPERIMENT_TAG]} if EXPERIMENT_TAG in run_tags else {})


def create_pipeline() -> Pipeline:
    """Turn a model and its metrics into a registered version in MLflow. There is no output dataset."""
    return Pipeline(
        [
            Node(
                register_model,
                inputs=[
                    "model",
                    "metrics",
                    "ingest_summary",
                    "project_folder",
                    "params:recipe",
                    "params:extract",
                    "params:register",
                ],
                outputs=None,
                name="register",
            )
        ]
    )
