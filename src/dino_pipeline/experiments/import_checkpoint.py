"""Import the checkpoint that a parameter names, in place of a training."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dino_pipeline import tracking
from dino_pipeline.dino.core.config import to_dict
from dino_pipeline.dino.core.data.multi_crop_config import MultiCropConfig
from dino_pipeline.dino.weights.config import ModelConfig

logger = logging.getLogger(__name__)


def import_checkpoint(
    config: ModelConfig,
    multi_crop: MultiCropConfig,
    *,
    project_folder: Path,
    training_folder: Path,
    recipe: str,
    ingest_summary: Mapping[str, Any],
) -> Path:
    """Return the folder of the model that `model.checkpoint` names. Foreign weights are converted.

    Args:
        multi_crop: the recipe's, for evaluations that compare views.
        training_folder: keeps converted weights, as it keeps finished trainings.
        ingest_summary: summary of the images that the model will be measured on.

    Raises:
        ValueError: the model or file does not exist, or its weights do not match; the text names the difference.
    """
    from dino_pipeline.dino.training.finish import FINISHED
    from dino_pipeline.dino.training.progress import progress_folder
    from dino_pipeline.dino.weights.importing import describe_import, write_import
    from dino_pipeline.model_registry.model_lookup import PublishedWeights, find_model
    from dino_pipeline.model_registry.provenance import origin_of_weights
    from dino_pipeline.tracking.dataset import log_dataset
    from dino_pipeline.tracking.records import RESUMED_TAG
    from dino_pipeline.tracking.sessions import log_session

    assert config.checkpoint is not None
    try:
        found = find_model(config.checkpoint, project_folder, config, here=project_folder)
    except ValueError as error:
        raise ValueError(f"model.checkpoint is {config.checkpoint}: {error}") from error
    if isinstance(found, PublishedWeights):
        if found.network != "teacher":
            raise ValueError(
                f"model.checkpoint is {config.checkpoint}: give its folder instead, so that the student is "
                "measured too"
            )
        logger.info("model: %s", found.folder)
        return found.folder
    source, weights = found
    for note in weights.notes:
        logger.info(note)
    description = describe_import(
        weights,
        source,
        normalisation=(config.mean, config.std),
        multi_crop=to_dict(multi_crop),
        recipe=recipe,
    )
    folder = progress_folder(training_folder, description.fingerprint) / FINISHED
    write_import(folder, description, weights)
    logger.info(
        "imported %s: %s, %s (fingerprint %s)",
        source,
        weights.kind,
        weights.backbone.name,
        description.fingerprint,
    )
    run = tracking.model_run(
        description.fingerprint,
        name=f"{recipe}-{description.fingerprint[:6]}",
        tags={
            "source": source,
            "data_set": ingest_summary["name"],
            **origin_of_weights(config.checkpoint, project_folder).tags,
        },
    )
    run.log_params({"imported": description.imported, "backbone": description.config["backbone"]})
    log_dataset(run, ingest_summary, context="evaluation")
    if RESUMED_TAG not in run.tags():  # importing the same again adds nothing
        log_session(run, project_folder, {"imported": source})
    return folder
