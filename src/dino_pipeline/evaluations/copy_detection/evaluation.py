"""Nodes of the copy detection pipeline."""

import logging
import tempfile
from pathlib import Path
from typing import Any

from dino_pipeline import tracking
from dino_pipeline.dino.core.config import to_dict
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.evaluation.copy_detection.config import CopyDetectionConfig

logger = logging.getLogger(__name__)


def find_copies(project_folder: Path, config: CopyDetectionConfig) -> Any:
    """Originals and their copies, looked for before anything is computed.

    Raises:
        ValueError: no folder is named, or what lies there is not laid out as Copydays.
    """
    from dino_pipeline.dino.evaluation.copy_detection.copydays import read_copydays

    if config.folder is None:
        raise ValueError(
            "copy_detection.folder is null: name a folder laid out as Copydays, with original/ and strong/: "
            "--params=copy_detection.folder=/data/copydays"
        )
    return read_copydays(project_folder / config.folder)


def evaluate_copy_detection(
    copydays: Any,
    manifest: Any,
    project_folder: Path,
    model: Path,
    extract: ExtractConfig,
    config: CopyDetectionConfig,
) -> tuple[dict[str, Any], Any]:
    """Find the originals of edited copies by teacher, student and random network.

    Args:
        copydays: what `find_copies` found.
        manifest: the manifest as a data frame.
        project_folder: its relative paths hang on this folder.
        model: the published model's folder.
        extract: how features are extracted.
        config: how copies are searched.

    Returns:
        the numbers, and a picture of some originals with their copies and the place each was found at.
    """
    from dino_pipeline.dino.core.data.manifest import Manifest
    from dino_pipeline.dino.evaluation import compute
    from dino_pipeline.dino.evaluation.copy_detection.detect import detect, other_images
    from dino_pipeline.dino.evaluation.copy_detection.summary import copy_detection_table
    from dino_pipeline.dino.evaluation.networks import load_networks
    from dino_pipeline.dino.weights.published import read_model
    from dino_pipeline.evaluations.copy_detection.plot import copies_picture

    images = Manifest.from_pandas(manifest, project_folder)
    others = other_images(images, config, root=project_folder)
    device = compute.device()
    with compute.fixed_threads(config.num_threads):
        networks = load_networks(model, images.split("train"), extract, device=device)
        networks.require_photographs("copy_detection")
        report, teacher_ranks = detect(copydays, others, networks, config, extract, device=device)
    picture = copies_picture(copydays, teacher_ranks, config.picture)
    logger.info("copy detection, mAP in percent\n%s", copy_detection_table(report))

    run = tracking.model_run(read_model(model).fingerprint)
    run.log_metrics(
        {
            f"copy_detection/{version}/{network}/{attack}": value
            for version in ("whitened", "unwhitened")
            for network, values in report[version].items()
            for attack, value in values.items()
        }
    )
    run.log_json(report, "copy_detection.json")
    run.log_json(to_dict(config), "copy_detection_parameters.json")
    with tempfile.TemporaryDirectory() as folder:
        picture.save(Path(folder) / "copy_detection.png")
        run.log_artifact(Path(folder) / "copy_detection.png")
    return report, picture
