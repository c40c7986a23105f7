"""Nodes of the attention_segmentation pipeline."""

import logging
import tempfile
from pathlib import Path
from typing import Any

from dino_pipeline import tracking
from dino_pipeline.dino.core.config import to_dict
from dino_pipeline.dino.evaluation.attention_segmentation.config import AttentionSegmentationConfig
from dino_pipeline.dino.evaluation.config import ExtractConfig

logger = logging.getLogger(__name__)


def find_images(project_folder: Path, config: AttentionSegmentationConfig) -> Any:
    """The images of the list, with their masks."""
    from dino_pipeline.dino.evaluation.masks.voc import list_masked_images

    return list_masked_images(
        config.folder,
        config.split,
        masks=config.masks,
        project_folder=project_folder,
        parameter="attention_segmentation.folder",
        split_parameter="attention_segmentation.split",
    )


def measure(
    images: Any,
    manifest: Any,
    project_folder: Path,
    model: Path,
    config: AttentionSegmentationConfig,
    extract_config: ExtractConfig,
) -> tuple[dict[str, Any], Any]:
    """Jaccard index of teacher, student and random initialisation, and masks of the first and the last of them.

    Args:
        images: what `find_images` found.
        manifest: the manifest as a data frame.
        project_folder: its relative paths hang on this folder.
        model: the published model's folder.
    """
    from dino_pipeline.dino.core.data.manifest import Manifest
    from dino_pipeline.dino.evaluation import compute
    from dino_pipeline.dino.evaluation.attention_segmentation.masks import Normalisation
    from dino_pipeline.dino.evaluation.attention_segmentation.measure import measure_attention, vits_of
    from dino_pipeline.dino.evaluation.networks import load_networks
    from dino_pipeline.dino.weights.published import read_model
    from dino_pipeline.evaluations.attention_segmentation.plot import picture

    published = read_model(model)
    train = Manifest.from_pandas(manifest, project_folder).split("train")
    with compute.fixed_threads(config.num_threads):
        networks = load_networks(model, train, extract_config, device=compute.device())
        networks.require_photographs("attention_segmentation")
        vits = vits_of(networks.backbones, published.config["backbone"]["name"])
        normalisation = Normalisation(networks.transform.mean, networks.transform.std)
        report = measure_attention(vits, images, normalisation, config)
        drawn = picture({name: vits[name] for name in ("teacher", "random")}, images, normalisation, config)
    lines = [f"{name:8} {100 * found['jaccard']:5.1f}" for name, found in report["networks"].items()]
    logger.info(
        "Jaccard index in percent, best head of each object, %d images\n%s",
        report["num_images"],
        "\n".join(lines),
    )

    run = tracking.model_run(published.fingerprint)
    run.log_metrics(
        {
            f"attention_segmentation/{network}/{name}": found[name]
            for network, found in report["networks"].items()
            for name in ("jaccard", "jaccard_objects")
        }
    )
    run.log_json(report, "attention_segmentation.json")
    run.log_json(to_dict(config), "attention_segmentation_parameters.json")
    with tempfile.TemporaryDirectory() as folder:
        drawn.save(Path(folder) / "attention_segmentation.png")
        run.log_artifact(Path(folder) / "attention_segmentation.png")
    return report, drawn
