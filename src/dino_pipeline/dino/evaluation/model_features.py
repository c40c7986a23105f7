"""Features of every image by a model and by what it is compared with: teacher, student, random, pixels, histogram."""

from pathlib import Path

import numpy as np
import torch

from dino_pipeline.dino.config import from_dict
from dino_pipeline.dino.data.evaluation_transform_config import EvaluationTransformConfig
from dino_pipeline.dino.data.manifest import Manifest
from dino_pipeline.dino.distributed import rank, world_size
from dino_pipeline.dino.evaluation import baselines, compute, extraction
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.evaluation.features import Features
from dino_pipeline.dino.models.backbone_config import BackboneConfig
from dino_pipeline.dino.models.published import load_backbone, read_model

NAMES = ("teacher", "student", "random", "pixels", "histogram")


def model_features(
    manifest: Manifest, model: Path, config: ExtractConfig, *, device: torch.device
) -> dict[str, Features]:
    """This process's share of the images, every image when alone, by each of `NAMES`.

    Args:
        model: a published model's folder
    """
    published = read_model(model)
    transform = EvaluationTransformConfig(
        resize=config.resize, crop=config.crop, mean=published.config["mean"], std=published.config["std"]
    )
    architecture = from_dict(BackboneConfig, published.config["backbone"])
    own = manifest.take(np.arange(rank(), len(manifest), world_size()))
    with compute.fixed_threads(config.num_threads):
        random = baselines.random_backbone(
            architecture, manifest.split("train"), transform, config, device=device
        )
        networks = (load_backbone(model, "teacher"), load_backbone(model, "student"), random)
        functions = [
            *(
                extraction.backbone_features(network, transform, config, device=device)
                for network in networks
            ),
            baselines.pixel_features(transform, config.baselines),
            baselines.histogram_features(config.baselines),
        ]
        named = dict(zip(NAMES, functions, strict=True))
        return extraction.extract_features(own, named, transform, config, device=device)
