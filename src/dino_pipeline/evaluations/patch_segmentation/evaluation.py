"""Nodes of the patch_segmentation pipeline."""

import logging
import tempfile
from pathlib import Path
from typing import Any

from dino_pipeline import tracking
from dino_pipeline.dino.core.config import to_dict
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.evaluation.patch_segmentation.config import PatchSegmentationConfig

logger = logging.getLogger(__name__)


def find_images(project_folder: Path, config: PatchSegmentationConfig) -> Any:
    """The labelled images and those to evaluate, with their masks."""
    from dino_pipeline.dino.evaluation.patch_segmentation.split import split_images

    return split_images(config, project_folder=project_folder)


def measure(
    images: Any,
    manifest: Any,
    project_folder: Path,
    model: Path,
    config: PatchSegmentationConfig,
    extract_config: ExtractConfig,
) -> tuple[dict[str, Any], Any]:
    """mIoU of k-NN and a linear head on patch tokens of teacher, student and random initialisation; a picture.

    Args:
        images: what `find_images` found.
        manifest: the manifest as a data frame.
        project_folder: its relative paths hang on this folder.
        model: the published model's folder.
    """
    from dino_pipeline.dino.core.data.manifest import Manifest
    from dino_pipeline.dino.evaluation import compute
    from dino_pipeline.dino.evaluation.networks import load_networks
    from dino_pipeline.dino.evaluation.patch_segmentation.measure import segment
    from dino_pipeline.dino.evaluation.patch_segmentation.tokens import Tokenizer
    from dino_pipeline.dino.weights.published import read_model
    from dino_pipeline.evaluations.patch_segmentation.plot import picture, shown_ids

    train = Manifest.from_pandas(manifest, project_folder).split("train")
    shown = shown_ids(images.evaluated, config.num_shown)
    with compute.fixed_threads(config.num_threads):
        networks = load_networks(model, train, extract_config, device=compute.device())
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
    drawn = picture(images.evaluated, {name: found[name].predicted for name in ("teacher", "random")}, shown)
    logger.info("mIoU in percent, %d images\n%s", len(images.evaluated), _table(report["networks"]))

    run = tracking.model_run(read_model(model).fingerprint)
    run.log_metrics(
        {
            f"patch_segmentation/{network}/{head}/{name}": values[name]
            for network, heads in report["networks"].items()
            for head, values in heads.items()
            for name in ("miou", "pixel_accuracy")
        }
    )
    run.log_json(report, "patch_segmentation.json")
    run.log_json(to_dict(config), "patch_segmentation_parameters.json")
    with tempfile.TemporaryDirectory() as folder:
        drawn.save(Path(folder) / "patch_segmentation.png")
        run.log_artifact(Path(folder) / "patch_segmentation.png")
    return report, drawn


def _table(networks: dict[str, dict[str, Any]]) -> str:
    heads = list(networks["teacher"])
    lines = [" " * 8 + "".join(f"{head:>9}" for head in heads)]
    lines += [
        f"{name:8}" + "".join(f"{100 * found[head]['miou']:9.1f}" for head in heads)
        for name, found in networks.items()
    ]
    return "\n".join(lines)
