"""A registered version as it is served: its exported network and its own preprocessing."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch.export.passes import move_to_device_pass

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.evaluation.extraction import FeatureBatch, FeatureFunction
from dino_pipeline.dino.features.evaluation_transform import normalise
from dino_pipeline.dino.features.evaluation_transform_config import EvaluationTransformConfig
from dino_pipeline.tracking.registry import Version, download

if TYPE_CHECKING:
    from mlflow import MlflowClient


class ExportedModel(NamedTuple):
    """The function from crops to embeddings, and the preprocessing that makes crops from images."""

    features: FeatureFunction
    transform: EvaluationTransformConfig


def load_exported_model(
    client: "MlflowClient", version: Version, folder: Path, *, device: torch.device
) -> ExportedModel:
    """Read a version from the registry, independent of any model on this machine.

    Args:
        folder: empty; the version's files are downloaded to it.
    """
    files = download(client, version, folder)
    settings = json.loads((files / "preprocessing.json").read_text())
    transform = from_dict(
        EvaluationTransformConfig,
        {
            **{name: settings[name] for name in ("resize", "crop", "mean", "std")},
            "images": {name: settings[name] for name in ("channels", "bits")},
        },
    )
    program = torch.export.load(files / "backbone.pt2")
    network = move_to_device_pass(program, device).module()

    def features(images: torch.Tensor) -> FeatureBatch:
        return FeatureBatch(network(normalise(images, transform.mean, transform.std)), None)

    return ExportedModel(features, transform)
