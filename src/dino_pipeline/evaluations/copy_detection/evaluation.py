"""Search for the originals of edited copies, in the user's folder."""

from pathlib import Path
from typing import Any

from dino_pipeline.dino.evaluation.copy_detection.config import CopyDetectionConfig
from dino_pipeline.evaluations.evaluation import EXTRACT, Context, Evaluation, Results


def find_copies(project_folder: Path, config: CopyDetectionConfig) -> Any:
    """Find originals and their copies, before any computation.

    Raises:
        ValueError: no folder is named, or the folder does not have the layout of Copydays.
    """
    from dino_pipeline.dino.evaluation.copy_detection.copydays import read_copydays

    if config.folder is None:
        raise ValueError(
            "copy_detection.folder is null: give a folder in the layout of Copydays, with original/ and strong/, "
            "for example --params=copy_detection.folder=/data/copydays"
        )
    return read_copydays(project_folder / config.folder)


def run(context: Context[CopyDetectionConfig]) -> Results:
    """Search for the originals of edited copies by teacher, student and random network."""
    from dino_pipeline.dino.evaluation.copy_detection.detect import copy_detection_table, detect, other_images
    from dino_pipeline.dino.evaluation.networks import load_networks

    images, config, device = context.images, context.config, context.device
    others = other_images(images, config, root=context.project_folder)
    networks = load_networks(context.model, images.split("train"), context.extract, device=device)
    networks.require_photographs("copy_detection")
    report, teacher_ranks = detect(context.found, others, networks, config, context.extract, device=device)
    return Results(
        report=report,
        metrics={
            f"{version}/{network}/{attack}": value
            for version in ("whitened", "unwhitened")
            for network, values in report[version].items()
            for attack, value in values.items()
        },
        text=f"copy detection, mAP in percent\n{copy_detection_table(report)}",
        drawn=teacher_ranks,
    )


def plot(context: Context[CopyDetectionConfig], results: Results) -> object:
    """Plot some originals with their copies, and the place at which each copy found its original."""
    from dino_pipeline.evaluations.copy_detection.plot import copies_picture

    return copies_picture(context.found, results.drawn, context.config.picture)


EVALUATION = Evaluation(
    name="copy_detection",
    description="Edited copies search for their originals, in a folder that a parameter gives",
    config=CopyDetectionConfig,
    needs=("manifest", EXTRACT),
    after="pretrain",
    outputs={"copy_detection_metrics": "copy_detection.json", "copy_detection_picture": "copy_detection.png"},
    run=run,
    check=find_copies,
    plot=plot,
)
