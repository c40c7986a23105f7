"""The compare pipeline: compare models, and train the missing ones."""

import logging
import tempfile
from pathlib import Path
from typing import Any

from kedro.pipeline import Node, Pipeline

from dino_pipeline import tracking
from dino_pipeline.dino.core.config import to_dict
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.training.config import LaunchConfig, MonitoringConfig
from dino_pipeline.experiments.compare.config import CompareConfig
from dino_pipeline.ingestion.config import IngestConfig

logger = logging.getLogger(__name__)


def predict_cost(
    ingested_manifest: Any,  # a data frame; None before ingestion
    project_folder: Path,
    ingest: IngestConfig,
    pretrain: PretrainConfig,
    monitoring: MonitoringConfig,
    launch: LaunchConfig,
    compare: CompareConfig,
) -> str:
    """Refuse rows that cannot be trained, and predict the cost of the others, as Markdown."""
    from dino_pipeline.experiments.compare.prediction import predict
    from dino_pipeline.experiments.compare.presentation import cost_table
    from dino_pipeline.experiments.compare.rows import read_comparison, trainings
    from dino_pipeline.ingestion.data_set import known_num_train_images

    asked = trainings(read_comparison(compare, project_folder), pretrain, monitoring, launch)
    if not asked:
        return "Nothing is trained.\n"
    if ingested_manifest is None:
        num_images = known_num_train_images(ingest)
    else:
        num_images = int((ingested_manifest["split"] == "train").sum())
    text = cost_table(predict(asked, num_images=num_images, root=project_folder), num_images)
    logger.info("predicted cost\n%s", text)
    return text + "\n"


def compare_models(
    manifest: Any,
    ingest_summary: dict[str, Any],
    cost: str,
    project_folder: Path,
    training_folder: Path,
    comparison_folder: Path,
    recipe: str,
    pretrain: PretrainConfig,
    monitoring: MonitoringConfig,
    launch: LaunchConfig,
    extract: ExtractConfig,
    compare: CompareConfig,
) -> tuple[Any, str, Any]:
    """Find or train the models of every row, measure them, and compare them.

    Args:
        cost: the predicted cost, stored in the comparison's run.
        comparison_folder: keeps measurements, so that a killed comparison continues where it stopped.

    Returns:
        the table as a data frame, the page as Markdown, the plot; all three also in MLflow.

    Raises:
        ValueError: before the first training: a row cannot be trained or found; the text names it.
    """
    from dino_pipeline.dino.core.data.manifest import Manifest
    from dino_pipeline.experiments.compare.existing_models import existing_models
    from dino_pipeline.experiments.compare.presentation import frame, markdown, plot_results
    from dino_pipeline.experiments.compare.results import gather_results
    from dino_pipeline.experiments.compare.rows import read_comparison, row_names, trainings
    from dino_pipeline.experiments.compare.scoring import labelled_splits, score
    from dino_pipeline.experiments.compare.training import prepare_all, train_all
    from dino_pipeline.experiments.train import Trainer

    config = read_comparison(compare, project_folder)
    images = Manifest.from_pandas(manifest, project_folder)
    splits = labelled_splits(images)
    models: dict[str, list[Path]] = {name: [] for name in row_names(config)}
    models |= existing_models(config, project_folder, comparison_folder / "experiments")
    trainer = Trainer(
        images=images,
        ingest_summary=ingest_summary,
        recipe=recipe,
        project_folder=project_folder,
        training_folder=training_folder,
    )
    asked = trainings(config, pretrain, monitoring, launch)
    prepared = prepare_all(asked, trainer)
    with tracking.open_comparison_run(f"{recipe} {config.name}") as run:
        run.log_json({"compare": to_dict(config), "pretrain": to_dict(pretrain)}, "comparison.json")
        trained = train_all(asked, prepared, trainer, comparison=config.name)
        for one in trained:
            if one.model:
                models[one.row].append(one.model)
        scores = {
            name: [score(model, images, extract, config, comparison_folder / "scores") for model in folders]
            for name, folders in models.items()
        }
        found = gather_results(config, scores, trained, splits)
        table, page, plot = frame(found), markdown(found), plot_results(found)
        logger.info("\n%s", page)
        run.log_metrics(
            {f"{found.split}/knn/{name}": row.over_images.mean for name, row in found.measured_rows().items()}
        )
        run.set_tags({f"{one.better} above {one.worse}": one.word for one in found.verdicts})
        with tempfile.TemporaryDirectory() as folder:
            table.to_csv(Path(folder) / "comparison.csv", index=False)
            (Path(folder) / "comparison.md").write_text(page)
            (Path(folder) / "cost.md").write_text(cost)
            plot.save(Path(folder) / "comparison.png")
            run.log_artifact(Path(folder))
    return table, page, plot


def create_pipeline() -> Pipeline:
    """Turn parameters into predicted hours, which `--tags=dry_run` runs alone; turn a manifest into table and plot."""
    return Pipeline(
        [
            Node(
                predict_cost,
                inputs=[
                    "ingested_manifest",
                    "project_folder",
                    "params:ingest",
                    "params:pretrain",
                    "params:monitoring",
                    "params:launch",
                    "params:compare",
                ],
                outputs="comparison_cost",
                name="predict_cost",
                tags="dry_run",
            ),
            Node(
                compare_models,
                inputs=[
                    "manifest",
                    "ingest_summary",
                    "comparison_cost",
                    "project_folder",
                    "training_folder",
                    "comparison_folder",
                    "params:recipe",
                    "params:pretrain",
                    "params:monitoring",
                    "params:launch",
                    "params:extract",
                    "params:compare",
                ],
                outputs=["comparison_table", "comparison_page", "comparison_picture"],
                name="compare",
            ),
        ]
    )
