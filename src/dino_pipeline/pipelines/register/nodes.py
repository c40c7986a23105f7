"""Nodes of the register pipeline."""

import json
import logging
import tempfile
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dino_pipeline import tracking
from dino_pipeline.dino.config import from_dict
from dino_pipeline.dino.data.images_config import ImagesConfig
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.pipelines.register.config import RegisterConfig
from dino_pipeline.tracking.origin import COMMIT_TAG, DIRTY_TAG, EXPERIMENT_TAG, commit_in_words
from dino_pipeline.tracking.registration import register_version
from dino_pipeline.tracking.signature import embedding_signature

SERVED_MODEL = Path(__file__).with_name("served_model.py")
SERVED_WITH = ("mlflow", "numpy", "pandas", "pillow", "torch")
NEXT_COMMANDS = """next:
  data/08_reporting/{recipe}/report.html      what the model learned, on one page
  make ui                  the run, its curves and the registered model in MLflow
  dvc repro                run again only what has changed
  kedro run --env=folder_of_images --params=ingest.source=/photos      your own folder of images"""

logger = logging.getLogger(__name__)


def register_model(
    model: Path,
    metrics: dict[str, Any],
    ingest_summary: dict[str, Any],
    extract: ExtractConfig,
    config: RegisterConfig,
) -> None:
    """Register the teacher's backbone as a new version of the data set's model; nothing is promoted.

    Args:
        model: the published model's folder.
        metrics: what evaluation measured.
        ingest_summary: of the data set's ingestion.
        extract: how features were extracted, which the served model repeats.
    """
    import numpy as np

    from dino_pipeline.dino.evaluation.export import export_backbone
    from dino_pipeline.dino.models.published import load_backbone, read_model
    from dino_pipeline.pipelines.register.model_card import model_card
    from dino_pipeline.weights_origin import origin_of_model

    published = read_model(model)
    backbone = load_backbone(model, "teacher")
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
    preprocessing = {
        "resize": extract.resize,
        "crop": extract.crop,
        "channels": images.channels,
        "bits": images.bits,
        "mean": published.config["mean"],
        "std": published.config["std"],
    }
    with tempfile.TemporaryDirectory() as folder:
        exported = Path(folder) / "backbone.pt2"
        export_backbone(backbone, exported, crop=extract.crop, channels=images.channels)
        described = Path(folder) / "preprocessing.json"
        described.write_text(json.dumps(preprocessing, indent=2) + "\n")
        number = register_version(
            run,
            registered_name=name,
            alias=config.alias,
            tags={
                "fingerprint": published.fingerprint,
                "data_digest": published.data_digest,
                "data_set": ingest_summary["name"],
                "recipe": published.recipe,
                **_knn_tags(metrics),
                **_origin_of_run(run_tags),
            },
            description=card,
            python_model=str(SERVED_MODEL),
            artifacts={"backbone": str(exported), "preprocessing": str(described)},
            signature=embedding_signature(backbone.num_features),
            input_example=np.full(
                (1, extract.crop, extract.crop, images.channels),
                2 ** (images.bits - 1),
                dtype=np.uint8 if images.bits == 8 else np.uint16,
            ),
            # A build's local version ("+cu132") is on no index.
            pip_requirements=[f"{package}=={version(package).split('+')[0]}" for package in SERVED_WITH],
        )
    if number is not None:
        logger.info("registered %s version %s as %s", name, number, config.alias)
    else:
        logger.warning("%s is registered once MLflow's store has what was kept for it", name)
    logger.info(NEXT_COMMANDS.format(recipe=published.recipe))


def _knn_tags(metrics: dict[str, Any]) -> dict[str, str]:
    """The teacher's k-NN accuracies on validation, on which versions are compared."""
    return {
        f"val/{name}": f"{value:.4f}"
        for name, value in metrics["val"]["teacher"].items()
        if name.startswith("knn") and not name.endswith("top5")
    }


def _origin_of_run(run_tags: Mapping[str, str]) -> dict[str, str]:
    """The code that made the model, not that which registers it."""
    tags = {
        name: run_tags.get(tag, "unknown")
        for name, tag in (("git_commit", COMMIT_TAG), ("git_dirty", DIRTY_TAG))
    }
    return tags | ({EXPERIMENT_TAG: run_tags[EXPERIMENT_TAG]} if EXPERIMENT_TAG in run_tags else {})
