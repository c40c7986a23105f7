"""The extract pipeline: compute features of all images."""

from pathlib import Path
from typing import Any

from kedro.pipeline import Node, Pipeline

from dino_pipeline import tracking
from dino_pipeline.dino.core.config import to_dict
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.evaluation.features import Features


def extract_features(
    manifest: Any, project_folder: Path, model: Path, config: ExtractConfig
) -> tuple[Features, Features, Features, Features, Features, Features]:
    """Compute features of every image: teacher, student, frozen teacher, random network, pixels, colour histogram.

    Args:
        manifest: the manifest as a data frame.
        project_folder: the folder that the manifest's paths start from.
        model: the published model's folder; without a student or a frozen teacher, their features are empty.
    """
    from dino_pipeline.dino.core.data.manifest import Manifest
    from dino_pipeline.dino.evaluation.features import no_features
    from dino_pipeline.dino.evaluation.launch import extract
    from dino_pipeline.dino.weights.published import FROZEN_TEACHER, read_model

    features = extract(Manifest.from_pandas(manifest, project_folder), model, config)
    tracking.model_run(read_model(model).fingerprint).log_json(to_dict(config), "extract_parameters.json")
    return (
        features["teacher"],
        features.get("student", no_features()),
        features.get(FROZEN_TEACHER, no_features()),
        features["random"],
        features["pixels"],
        features["histogram"],
    )


def create_pipeline() -> Pipeline:
    """Turn images and a model into features."""
    return Pipeline(
        [
            Node(
                extract_features,
                inputs=["manifest", "project_folder", "model", "params:extract"],
                outputs=[
                    "teacher_features",
                    "student_features",
                    "frozen_teacher_features",
                    "random_features",
                    "pixel_features",
                    "histogram_features",
                ],
                name="extract",
            )
        ]
    )
