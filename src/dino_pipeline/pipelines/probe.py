"""The probe pipeline: train linear classifiers on frozen features."""

import logging
from pathlib import Path
from typing import Any

from kedro.pipeline import Node, Pipeline

from dino_pipeline import tracking
from dino_pipeline.dino.core.config import to_dict
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.evaluation.features import Features
from dino_pipeline.dino.evaluation.linear_probe.config import LinearProbeConfig

logger = logging.getLogger(__name__)


def train_probes(
    manifest: Any,
    project_folder: Path,
    model: Path,
    teacher: Features,
    student: Features,
    frozen_teacher: Features,
    random: Features,
    pixels: Features,
    histogram: Features,
    extract: ExtractConfig,
    config: LinearProbeConfig,
) -> dict[str, Any]:
    """Train linear classifiers for every kind of features, one per learning rate; none if train is not labelled.

    Args:
        manifest: the manifest as a data frame.
        project_folder: the folder that the manifest's paths start from.
        model: the published model's folder.
        teacher: its features; only center and scale are used.
        student: its features, used the same way.
        frozen_teacher: its features, used the same way.
        random: its features, used the same way.
        pixels: its features, used the same way.
        histogram: its features, used the same way.
        extract: parameters of feature extraction.
        config: parameters of the classifiers' training.
    """
    from dino_pipeline.dino.core.data.manifest import Manifest
    from dino_pipeline.dino.evaluation.linear_probe.launch import linear_probes
    from dino_pipeline.dino.weights.published import read_model

    train = Manifest.from_pandas(manifest, project_folder).split("train")
    if not train.is_labelled:
        logger.info("linear probe skipped: not every image of train has a label")
        return {}
    features = {
        "teacher": teacher,
        "student": student,
        "frozen_teacher": frozen_teacher,
        "random": random,
        "pixels": pixels,
        "histogram": histogram,
    }
    features = {name: stored for name, stored in features.items() if len(stored)}  # some models lack some
    tracking.model_run(read_model(model).fingerprint).log_json(to_dict(config), "probe_parameters.json")
    return linear_probes(train, model, features, extract, config)


def create_pipeline() -> Pipeline:
    """Turn images, a model and features into linear classifiers."""
    return Pipeline(
        [
            Node(
                train_probes,
                inputs=[
                    "manifest",
                    "project_folder",
                    "model",
                    "teacher_features",
                    "student_features",
                    "frozen_teacher_features",
                    "random_features",
                    "pixel_features",
                    "histogram_features",
                    "params:extract",
                    "params:probe",
                ],
                outputs="linear_probes",
                name="probe",
            )
        ]
    )
