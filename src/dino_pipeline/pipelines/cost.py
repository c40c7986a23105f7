"""The cost pipeline: predict what a run costs, before anything starts."""

import logging
from pathlib import Path

from kedro.pipeline import Node, Pipeline

from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.evaluation.config import EvaluateConfig, ExtractConfig
from dino_pipeline.dino.evaluation.linear_probe.config import LinearProbeConfig
from dino_pipeline.dino.training.config import LaunchConfig, MonitoringConfig
from dino_pipeline.ingestion.config import IngestConfig
from dino_pipeline.recipes.config import CostConfig

logger = logging.getLogger(__name__)


def predict_run_cost(
    project_folder: Path,
    recipe: str,
    ingest: IngestConfig,
    pretrain: PretrainConfig,
    monitoring: MonitoringConfig,
    launch: LaunchConfig,
    extract: ExtractConfig,
    probe: LinearProbeConfig,
    evaluate: EvaluateConfig,
    cost: CostConfig,
) -> None:
    """Print time, memory, disk and price of every stage."""
    from dino_pipeline.recipes.run_cost import recipe_cost
    from dino_pipeline.recipes.speed import RunConfig

    config = RunConfig(ingest, pretrain, monitoring, launch, extract, probe, evaluate)
    text = recipe_cost(
        config, recipe=recipe, project_folder=project_folder, price_per_hour=cost.price_per_hour
    )
    logger.info("%s", text)


def create_pipeline() -> Pipeline:
    """One node, which no other pipeline has. `kedro run --tags=dry_run` runs it."""
    return Pipeline(
        [
            Node(
                predict_run_cost,
                inputs=[
                    "project_folder",
                    "params:recipe",
                    "params:ingest",
                    "params:pretrain",
                    "params:monitoring",
                    "params:launch",
                    "params:extract",
                    "params:probe",
                    "params:evaluate",
                    "params:cost",
                ],
                outputs=None,
                name="predict_run_cost",
                tags="dry_run",
            )
        ]
    )
