"""Measure what frozen patch tokens encode about classes, on the user's masks."""

from pathlib import Path
from typing import Any

from dino_pipeline.dino.evaluation.patch_segmentation.config import PatchSegmentationConfig
from dino_pipeline.dino.evaluation.table import aligned
from dino_pipeline.evaluations.evaluation import EXTRACT, Context, Evaluation, Results


def find_images(project_folder: Path, config: PatchSegmentationConfig) -> Any:
    """Find the labelled images and the images to evaluate, with their masks."""
    from dino_pipeline.dino.evaluation.patch_segmentation.split import split_images

    return split_images(config, project_folder=project_folder)


def run(context: Context[PatchSegmentationConfig]) -> Results:
    """Compute mIoU of k-NN and a linear head on patch tokens of teacher, student and random initialisation."""
    from dino_pipeline.dino.evaluation.networks import load_networks
    from dino_pipeline.dino.evaluation.patch_segmentation.measure import segment
    from dino_pipeline.dino.evaluation.patch_segmentation.tokens import Tokenizer
    from dino_pipeline.evaluations.patch_segmentation.plot import shown_ids

    images, config = context.found, context.config
    shown = shown_ids(images.evaluated, config.num_shown)
    train = context.images.split("train")
    networks = load_networks(context.model, train, context.extract, device=context.device)
    networks.require_photographs("patch_segmentation")
    mean, std = networks.transform.mean, networks.transform.std
    found = {
        name: segment(Tokenizer(backbone, config.image_size, mean, std), images, config, shown=shown)
        for name, backbone in networks.backbones.items()
    }
    report: dict[str, Any] = {
        "num_labelled_images": len(images.labelled),
        "num_evaluated_images": len(images.evaluated),
        "networks": {name: segmentation.measures for name, segmentation in found.items()},
    }
    return Results(
        report=report,
        metrics={
            f"{network}/{head}/{name}": values[name]
            for network, heads in report["networks"].items()
            for head, values in heads.items()
            for name in ("miou", "pixel_accuracy")
        },
        text=f"mIoU in percent, {len(images.evaluated)} images\n{_table(report['networks'])}",
        drawn=({name: found[name].predicted for name in ("teacher", "random")}, shown),
    )


def plot(context: Context[PatchSegmentationConfig], results: Results) -> object:
    """Plot images, their masks, and the predictions of the linear heads."""
    from dino_pipeline.evaluations.patch_segmentation.plot import picture

    return picture(context.found.evaluated, *results.drawn)


def _table(networks: dict[str, dict[str, Any]]) -> str:
    heads = list(networks["teacher"])
    rows = [
        [name, *(f"{100 * found[head]['miou']:.1f}" for head in heads)] for name, found in networks.items()
    ]
    return aligned([["", *heads], *rows])


EVALUATION = Evaluation(
    name="patch_segmentation",
    description="mIoU of k-NN and a linear head on patch tokens, on a folder of masks that a parameter gives",
    config=PatchSegmentationConfig,
    needs=("manifest", EXTRACT),
    after="pretrain",
    outputs={
        "patch_segmentation": "patch_segmentation.json",
        "patch_segmentation_picture": "patch_segmentation.png",
    },
    run=run,
    check=find_images,
    plot=plot,
)
