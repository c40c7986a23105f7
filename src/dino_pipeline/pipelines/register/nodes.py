"""Nodes of the register pipeline."""

import json
import logging
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

from dino_pipeline import tracking
from dino_pipeline.dino.config import from_dict
from dino_pipeline.dino.data.images_config import ImagesConfig
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.pipelines.register.config import RegisterConfig
from dino_pipeline.tracking.origin import origin_tags
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
    project_folder: Path, model: Path, metrics: dict[str, Any], extract: ExtractConfig, config: RegisterConfig
) -> None:
    """Register the teacher's backbone as a new version of the data set's model; nothing is promoted.

    Args:
        project_folder: whose commit the version is tagged with.
        model: the published model's folder.
        metrics: what evaluation measured.
        extract: how features were extracted, which the served model repeats.
    """
    import numpy as np

    from dino_pipeline.dino.evaluation.export import export_backbone
    from dino_pipeline.dino.models.published import load_backbone, read_model

    published = read_model(model)
    backbone = load_backbone(model, "teacher")
    images = from_dict(ImagesConfig, published.config["images"])
    name = f"{config.name_prefix}-{published.recipe}"
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
        number = tracking.model_run(published.fingerprint).register_model(
            registered_name=name,
            alias=config.alias,
            tags={
                "fingerprint": published.fingerprint,
                "data_digest": published.data_digest,
                "recipe": published.recipe,
                **_knn_tags(metrics),
                "git_commit": origin_tags(project_folder).get("mlflow.source.git.commit", "unknown"),
            },
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
    logger.info("registered %s version %s as %s", name, number, config.alias)
    logger.info(NEXT_COMMANDS.format(recipe=published.recipe))


def _knn_tags(metrics: dict[str, Any]) -> dict[str, str]:
    """The teacher's k-NN accuracies on validation, on which versions are compared."""
    return {
        f"val/{name}": f"{value:.4f}"
        for name, value in metrics["val"]["teacher"].items()
        if name.startswith("knn") and not name.endswith("top5")
    }
