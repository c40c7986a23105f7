"""Nodes of the extract pipeline."""

from pathlib import Path
from typing import Any

from dino_pipeline import tracking
from dino_pipeline.dino.config import from_dict, to_dict
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.evaluation.features import Features


def extract_features(
    manifest: Any, project_folder: Path, model: Path, config: ExtractConfig
) -> tuple[Features, Features, Features, Features, Features]:
    """Features of every image by teacher, student, random initialisation, raw pixels and colour histogram.

    Args:
        manifest: the manifest as a data frame.
        project_folder: its relative paths hang on this folder.
        model: the published model's folder.
    """
    from dino_pipeline.dino.data.evaluation_transform_config import EvaluationTransformConfig
    from dino_pipeline.dino.data.manifest import Manifest
    from dino_pipeline.dino.evaluation import baselines, compute, extraction
    from dino_pipeline.dino.models.backbone_config import BackboneConfig
    from dino_pipeline.dino.models.published import load_backbone, read_model

    images = Manifest.from_pandas(manifest, project_folder)
    published = read_model(model)
    transform = EvaluationTransformConfig(
        resize=config.resize, crop=config.crop, mean=published.config["mean"], std=published.config["std"]
    )
    architecture = from_dict(BackboneConfig, published.config["backbone"])
    device = compute.device()
    with compute.fixed_threads(config.num_threads):
        random = baselines.random_backbone(
            architecture, images.split("train"), transform, config, device=device
        )
        networks = (load_backbone(model, "teacher"), load_backbone(model, "student"), random)
        teacher, student, untrained = (
            extraction.backbone_features(network, transform, config, device=device) for network in networks
        )
        functions = {
            "teacher": teacher,
            "student": student,
            "random": untrained,
            "pixels": baselines.pixel_features(transform, config.baselines),
            "histogram": baselines.histogram_features(config.baselines),
        }
        features = extraction.extract_features(images, functions, transform, config, device=device)
    tracking.model_run(published.fingerprint).log_json(to_dict(config), "extract_parameters.json")
    return (
        features["teacher"],
        features["student"],
        features["random"],
        features["pixels"],
        features["histogram"],
    )
