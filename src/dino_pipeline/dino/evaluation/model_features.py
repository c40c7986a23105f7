"""Features of every image from a model and from the networks and baselines to compare it with.

These are teacher, student, the frozen teacher of a distillation, random, pixels and histogram.
"""

from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.core.distributed import rank, world_size
from dino_pipeline.dino.core.models.backbone import Backbone
from dino_pipeline.dino.evaluation import baselines, compute, extraction
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.evaluation.extraction import FeatureFunction
from dino_pipeline.dino.evaluation.features import Features
from dino_pipeline.dino.features.evaluation_transform_config import EvaluationTransformConfig
from dino_pipeline.dino.weights.published import (
    FROZEN_TEACHER,
    architecture,
    evaluation_transform,
    frozen_teacher_config,
    load_backbone,
    load_frozen_teacher,
    networks_of,
    read_model,
)

NETWORKS = ("teacher", "student", FROZEN_TEACHER)
BASELINES = ("random", "pixels", "histogram")


class FeatureFunctions(NamedTuple):
    """Functions from crops to features, by name, and the preparation of the crops."""

    functions: dict[str, FeatureFunction]
    transform: EvaluationTransformConfig


def feature_functions(
    model: Path,
    train: Manifest,
    config: ExtractConfig,
    *,
    device: torch.device,
    only: Collection[str] | None = None,
) -> FeatureFunctions:
    """The features of a model's networks and of the baselines.

    Args:
        model: a published model's folder.
        train: images for the batch norm statistics of the untrained backbone, if it has batch norm.
        only: names to use where the model has them; None for all.
    """
    published = read_model(model)
    transform = evaluation_transform(published, resize=config.resize, crop=config.crop)
    loaders: dict[str, Callable[[], Backbone]] = {
        name: partial(load_backbone, model, name) for name in networks_of(model)
    }
    if frozen_teacher_config(published):
        loaders[FROZEN_TEACHER] = partial(load_frozen_teacher, model)
    loaders["random"] = partial(
        baselines.random_backbone, architecture(published), train, transform, config, device=device
    )
    functions = {
        name: extraction.backbone_features(load(), transform, config, device=device)
        for name, load in loaders.items()
        if only is None or name in only
    }
    functions["pixels"] = baselines.pixel_features(transform, config.baselines)
    functions["histogram"] = baselines.histogram_features(config.baselines)
    used = {name: function for name, function in functions.items() if only is None or name in only}
    return FeatureFunctions(used, transform)


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
        only: names to extract where the model has them; None for all.
    """
    own = manifest.take(np.arange(rank(), len(manifest), world_size()))
    with compute.fixed_threads(config.num_threads):
        functions, transform = feature_functions(
            model, manifest.split("train"), config, device=device, only=only
        )
        return extraction.extract_features(own, functions, transform, config, device=device)
