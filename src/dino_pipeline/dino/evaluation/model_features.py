"""Features of every image by a model and by what it is compared with.

Teacher, student, the frozen teacher of a distillation, random, pixels, histogram.
"""

from collections.abc import Collection
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.core.distributed import rank, world_size
from dino_pipeline.dino.evaluation import baselines, compute, extraction
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.evaluation.extraction import FeatureFunction
from dino_pipeline.dino.evaluation.features import Features
from dino_pipeline.dino.evaluation.networks import load_networks
from dino_pipeline.dino.features.evaluation_transform_config import EvaluationTransformConfig
from dino_pipeline.dino.weights.published import FROZEN_TEACHER, load_frozen_teacher


class FeatureFunctions(NamedTuple):
    """From crops to features under each name, and how those crops are prepared."""

    functions: dict[str, FeatureFunction]
    transform: EvaluationTransformConfig


def feature_functions(
    model: Path, train: Manifest, config: ExtractConfig, *, device: torch.device
) -> FeatureFunctions:
    """A model's networks and the baselines.

    Args:
        model: a published model's folder.
        train: images that give an untrained backbone's batch norm, if it has one, its statistics.
    """
    networks = load_networks(model, train, config, device=device)
    functions = {
        name: extraction.backbone_features(backbone, networks.transform, config, device=device)
        for name, backbone in networks.backbones.items()
    }
    frozen_teacher = load_frozen_teacher(model)
    if frozen_teacher is not None:
        functions[FROZEN_TEACHER] = extraction.backbone_features(
            frozen_teacher, networks.transform, config, device=device
        )
    functions["pixels"] = baselines.pixel_features(networks.transform, config.baselines)
    functions["histogram"] = baselines.histogram_features(config.baselines)
    return FeatureFunctions(functions, networks.transform)


def model_features(
    manifest: Manifest,
    model: Path,
    config: ExtractConfig,
    *,
    device: torch.device,
    only: Collection[str] | None = None,
) -> dict[str, Features]:
    """This process's share of the images, every image when alone; of the networks that the model has.

    Args:
        model: a published model's folder
        only: names to extract; None for all.
    """
    own = manifest.take(np.arange(rank(), len(manifest), world_size()))
    with compute.fixed_threads(config.num_threads):
        functions, transform = feature_functions(model, manifest.split("train"), config, device=device)
        if only is not None:
            functions = {name: functions[name] for name in only}
        return extraction.extract_features(own, functions, transform, config, device=device)
