"""Features of every image by a model and by what it is compared with: teacher, student, random, pixels, histogram."""

from pathlib import Path

import numpy as np
import torch

from dino_pipeline.dino.data.manifest import Manifest
from dino_pipeline.dino.distributed import rank, world_size
from dino_pipeline.dino.evaluation import baselines, compute, extraction
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.evaluation.features import Features
from dino_pipeline.dino.evaluation.networks import load_networks

NAMES = ("teacher", "student", "random", "pixels", "histogram")


def model_features(
    manifest: Manifest, model: Path, config: ExtractConfig, *, device: torch.device
) -> dict[str, Features]:
    """This process's share of the images, every image when alone, by each of `NAMES`.

    Args:
        model: a published model's folder
    """
    own = manifest.take(np.arange(rank(), len(manifest), world_size()))
    with compute.fixed_threads(config.num_threads):
        networks = load_networks(model, manifest.split("train"), config, device=device)
        functions = {
            name: extraction.backbone_features(backbone, networks.transform, config, device=device)
            for name, backbone in networks.backbones.items()
        }
        functions["pixels"] = baselines.pixel_features(networks.transform, config.baselines)
        functions["histogram"] = baselines.histogram_features(config.baselines)
        return extraction.extract_features(own, functions, networks.transform, config, device=device)
