"""The networks that evaluations compare: a model's teacher and student, and the same architecture untrained."""

from pathlib import Path
from typing import NamedTuple

import torch

from dino_pipeline.dino.core.data.images_config import ImagesConfig
from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.core.models.backbone import Backbone
from dino_pipeline.dino.evaluation.baselines import random_backbone
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.features.evaluation_transform_config import EvaluationTransformConfig
from dino_pipeline.dino.weights.published import (
    architecture,
    evaluation_transform,
    load_backbone,
    networks_of,
    read_model,
)


class Networks(NamedTuple):
    """Backbones by name, and the preparation of their images."""

    # teacher, student (which imported weights may lack), random; in evaluation mode, on the device
    backbones: dict[str, Backbone]
    transform: EvaluationTransformConfig

    def require_photographs(self, evaluation: str) -> None:
        """Check that the networks take 8-bit RGB, for an evaluation whose images always are.

        Raises:
            ValueError: the networks take other images.
        """
        images = self.transform.images
        if images != ImagesConfig(channels=3, bits=8):
            raise ValueError(
                f"{evaluation} is measured on 8-bit RGB photographs, but this model takes images of "
                f"{images.channels} channel(s) and {images.bits} bits (pretrain.images)"
            )


def load_networks(model: Path, train: Manifest, config: ExtractConfig, *, device: torch.device) -> Networks:
    """Load every network to compare for a model.

    Args:
        model: a published model's folder.
        train: images for the batch norm statistics of the untrained backbone, if it has batch norm.
    """
    published = read_model(model)
    transform = evaluation_transform(published, resize=config.resize, crop=config.crop)
    backbones: dict[str, Backbone] = {
        name: load_backbone(model, name).to(device) for name in networks_of(model)
    }
    backbones["random"] = random_backbone(architecture(published), train, transform, config, device=device)
    return Networks(backbones, transform)
