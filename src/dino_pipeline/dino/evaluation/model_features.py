"""Features of every image from a model and from the networks and baselines to compare it with.

These are teacher, student, the frozen teacher of a distillation, random, pixels and histogram.
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
    """Functions from crops to features, by name, and the preparation of the crops."""

    functions: dict[str, FeatureFunction]
    transform: EvaluationTransformConfig


def feature_functions(
    model: Path, train: Manifest, config: ExtractConfig, *, device: torch.device
) -> FeatureFunctions:
    """The features of a model's networks and of the baselines.

    Args:
        model: a published model's folder.
        train: images for the batch norm statistics of the untrained backbone, if it has batch norm.
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
    """Extract the features of this process's share of the images; a single process extracts all.

    Args:
        model: a published model's folder.
        only: names to extract; None for all.
    """
    own = manifest.take(np.arange(rank(), len(manifest), world_size()))
    with compute.fixed_threads(config.num_threads):
        functions, transform = feature_functions(model, manifest.split("train"), config, device=device)
        if only is not None:
            functions = {name: functions[name] for name in only}
        return extraction.extract_features(own, functions, transform, config, device=device)
