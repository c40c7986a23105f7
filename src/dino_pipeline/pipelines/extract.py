"""The extract pipeline: compute features of all images."""

from pathlib import Path
from typing import Any

from kedro.pipeline import Node, Pipeline

from dino_pipeline import tracking
from dino_pipeline.dino.core.config import to_dict
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.evaluation.features import Features

_INPUTS = ["manifest", "project_folder", "model", "params:extract"]


def extract_features(
    manifest: Any, project_folder: Path, model: Path, config: ExtractConfig
) -> tuple[Features, Features, Features]:
    """Compute features of every image by the model's networks: teacher, student, frozen teacher.

    Args:
        manifest: the manifest as a data frame.
        project_folder: the folder that the manifest's paths start from.
        model: the published model's folder; without a student or a frozen teacher, their features are empty.
    """
    from dino_pipeline.dino.core.data.manifest import Manifest
    from dino_pipeline.dino.evaluation.features import no_features
    from dino_pipeline.dino.evaluation.launch import extract
    from dino_pipeline.dino.evaluation.model_features import NETWORKS
    from dino_pipeline.dino.weights.published import read_model

    features = extract(Manifest.from_pandas(manifest, project_folder), model, config, only=NETWORKS)
    tracking.model_run(read_model(model).fingerprint).log_json(to_dict(config), "extract_parameters.json")
    teacher, student, frozen_teacher = (features.get(name, no_features()) for name in NETWORKS)
    return teacher, student, frozen_teacher


def extract_baselines(
    manifest: Any, project_folder: Path, model: Path, config: ExtractConfig
) -> tuple[Features, Features, Features]:
    """Compute features of every image by what needs no training: random network, pixels, colour histogram.

    Args:
        manifest: the manifest as a data frame.
        project_folder: the folder that the manifest's paths start from.
        model: the published model's folder. Only its architecture and its normalisation of images count.
    """
    from dino_pipeline.dino.core.data.manifest import Manifest
    from dino_pipeline.dino.evaluation.launch import extract
    from dino_pipeline.dino.evaluation.model_features import BASELINES

    features = extract(Manifest.from_pandas(manifest, project_folder), model, config, only=BASELINES)
    random, pixels, histogram = (features[name] for name in BASELINES)
    return random, pixels, histogram


def create_pipeline() -> Pipeline:
    """Turn images and a model into features."""
    return Pipeline(
        [
            Node(
                extract_features,
                inputs=_INPUTS,
                outputs=["teacher_features", "student_features", "frozen_teacher_features"],
                name="extract",
            ),
            Node(
                extract_baselines,
                inputs=_INPUTS,
                outputs=["random_features", "pixel_features", "histogram_features"],
                name="extract_baselines",
            ),
        ]
    )
