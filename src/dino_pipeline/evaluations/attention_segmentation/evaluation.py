"""Measure how well heads of [CLS] attention outline objects, on the user's masks."""

from pathlib import Path
from typing import Any

from dino_pipeline.dino.evaluation.attention_segmentation.config import AttentionSegmentationConfig
from dino_pipeline.evaluations.evaluation import EXTRACT, Context, Evaluation, Results


def find_images(project_folder: Path, config: AttentionSegmentationConfig) -> Any:
    """Find the images of the list, with their masks."""
    from dino_pipeline.dino.evaluation.voc import list_masked_images

    return list_masked_images(
        config.folder,
        config.split,
        masks=config.masks,
        project_folder=project_folder,
        parameter="attention_segmentation.folder",
        split_parameter="attention_segmentation.split",
    )


def run(context: Context[AttentionSegmentationConfig]) -> Results:
    """Compute the Jaccard index of teacher, student and random initialisation."""
    from dino_pipeline.dino.evaluation.attention_segmentation.measure import (
        Normalisation,
        measure_attention,
        vits_of,
    )
    from dino_pipeline.dino.evaluation.networks import load_networks
    from dino_pipeline.dino.evaluation.table import aligned
    from dino_pipeline.dino.weights.published import read_model

    train = context.images.split("train")
    networks = load_networks(context.model, train, context.extract, device=context.device)
    networks.require_photographs("attention_segmentation")
    vits = vits_of(networks.backbones, read_model(context.model).config["backbone"]["name"])
    normalisation = Normalisation(networks.transform.mean, networks.transform.std)
    report = measure_attention(vits, context.found, normalisation, context.config)
    table = aligned([[name, f"{100 * found['jaccard']:.1f}"] for name, found in report["networks"].items()])
    heading = f"Jaccard index in percent, best head of each object, {report['num_images']} images"
    return Results(
        report=report,
        metrics={
            f"{network}/{name}": found[name]
            for network, found in report["networks"].items()
            for name in ("jaccard", "jaccard_objects")
        },
        text=f"{heading}\n{table}",
        drawn=(vits, normalisation),
    )


def plot(context: Context[AttentionSegmentationConfig], results: Results) -> object:
    """Plot images, their masks, and the masks of the teacher's and the random network's best heads."""
    from dino_pipeline.evaluations.attention_segmentation.plot import picture

    vits, normalisation = results.drawn
    compared = {name: vits[name] for name in ("teacher", "random")}
    return picture(compared, context.found, normalisation, context.config)


EVALUATION = Evaluation(
    name="attention_segmentation",
    description="How well heads of [CLS] attention outline objects, on a folder of masks that a parameter gives",
    config=AttentionSegmentationConfig,
    needs=("manifest", EXTRACT),
    after="pretrain",
    outputs={
        "attention_segmentation": "attention_segmentation.json",
        "attention_segmentation_picture": "attention_segmentation.png",
    },
    run=run,
    check=find_images,
    plot=plot,
)
