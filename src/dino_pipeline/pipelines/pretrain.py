"""The pretrain pipeline: train a backbone with DINO under torchrun."""

import logging
from pathlib import Path
from typing import Any

from kedro.pipeline import Node, Pipeline

from dino_pipeline.dino.core.config import to_dict
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.training.config import LaunchConfig, MonitoringConfig
from dino_pipeline.dino.weights.config import ModelConfig

logger = logging.getLogger(__name__)


def pretrain(
    manifest: Any,  # a data frame; pandas is slow to import
    ingest_summary: dict[str, Any],
    project_folder: Path,
    training_folder: Path,
    recipe: str,
    model: ModelConfig,
    pretrain: PretrainConfig,
    monitoring: MonitoringConfig,
    launch: LaunchConfig,
) -> Path:
    """Train under torchrun, or find the finished model. Where `model` names a checkpoint, import that.

    Returns:
        The folder of the finished model, which the catalog publishes.
    """
    from dino_pipeline.dino.core.data.manifest import Manifest
    from dino_pipeline.dino.training.launch import is_finished
    from dino_pipeline.dino.training.progress import differing_keys, unfinished
    from dino_pipeline.experiments.import_checkpoint import import_checkpoint
    from dino_pipeline.experiments.train import Trainer

    if model.checkpoint:
        return import_checkpoint(
            model,
            pretrain.multi_crop,
            project_folder=project_folder,
            training_folder=training_folder,
            recipe=recipe,
            ingest_summary=ingest_summary,
        )
    trainer = Trainer(
        images=Manifest.from_pandas(manifest, project_folder),
        ingest_summary=ingest_summary,
        recipe=recipe,
        project_folder=project_folder,
        training_folder=training_folder,
    )
    prepared = trainer.prepare(pretrain, monitoring, launch)
    identity = prepared.spec.fingerprint
    resolved = to_dict(prepared.spec.pretrain)
    for other, its_spec in unfinished(training_folder, recipe, other_than=identity).items():
        differing = differing_keys(its_spec["pretrain"], resolved) or ["data or code"]
        logger.info(
            "an unfinished training differs in %s; to continue from it anyway: --params=launch.adopt_progress=%s",
            ", ".join(differing),
            other,
        )
    if is_finished(prepared.spec):
        logger.info("this model is trained already (fingerprint %s)", identity)
    return trainer.train(prepared, name=f"{recipe}-{identity[:6]}")


def create_pipeline() -> Pipeline:
    return Pipeline(
        [
            Node(
                func=pretrain,
                inputs=[
                    "manifest",
                    "ingest_summary",
                    "project_folder",
                    "training_folder",
                    "params:recipe",
                    "params:model",
                    "params:pretrain",
                    "params:monitoring",
                    "params:launch",
                ],
                outputs="model",
                name="pretrain",
            )
        ]
    )
