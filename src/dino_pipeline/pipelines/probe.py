"""The probe pipeline: train linear classifiers on frozen features."""

import logging
from collections.abc import Mapping
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
    extract: ExtractConfig,
    config: LinearProbeConfig,
) -> dict[str, Any]:
    """Train linear classifiers on each network's features, one per learning rate; none if train is not labelled.

    Args:
        manifest: the manifest as a data frame.
        project_folder: the folder that the manifest's paths start from.
        model: the published model's folder.
        teacher: its features; only center and scale are used.
        student: its features, used the same way.
        frozen_teacher: its features, used the same way.
        extract: parameters of feature extraction.
        config: parameters of the classifiers' training.
    """
    from dino_pipeline.dino.weights.published import read_model

    features = {"teacher": teacher, "student": student, "frozen_teacher": frozen_teacher}
    probes = _train(manifest, project_folder, model, features, extract, config)
    if probes:
        tracking.model_run(read_model(model).fingerprint).log_json(to_dict(config), "probe_parameters.json")
    else:
        logger.info("no linear probe: not every image of train has a label")
    return probes


def train_baseline_probes(
    manifest: Any,
    project_folder: Path,
    model: Path,
    random: Features,
    pixels: Features,
    histogram: Features,
    extract: ExtractConfig,
    config: LinearProbeConfig,
) -> dict[str, Any]:
    """Train linear classifiers on each baseline's features, one per learning rate; none if train is not labelled.

    Args:
        manifest: the manifest as a data frame.
        project_folder: the folder that the manifest's paths start from.
        model: the published model's folder. Only its architecture and its normalisation of images count.
        random: features of the untrained network; only center and scale are used.
        pixels: their features, used the same way.
        histogram: its features, used the same way.
        extract: parameters of feature extraction.
        config: parameters of the classifiers' training.
    """
    features = {"random": random, "pixels": pixels, "histogram": histogram}
    return _train(manifest, project_folder, model, features, extract, config)


def _train(
    manifest: Any,
    project_folder: Path,
    model: Path,
    features: Mapping[str, Features],
    extract: ExtractConfig,
    config: LinearProbeConfig,
) -> dict[str, Any]:
    from dino_pipeline.dino.core.data.manifest import Manifest
    from dino_pipeline.dino.evaluation.linear_probe.launch import linear_probes

    train = Manifest.from_pandas(manifest, project_folder).split("train")
    if not train.is_labelled:
        return {}
    features = {name: stored for name, stored in features.items() if len(stored)}  # some models lack some
    return linear_probes(train, model, features, extract, config)


def create_pipeline() -> Pipeline:
    """Turn images, a model and features into linear classifiers."""
    images, parameters = ["manifest", "project_folder", "model"], ["params:extract", "params:probe"]
    return Pipeline(
        [
            Node(
                train_probes,
                inputs=[
                    *images,
                    "teacher_features",
                    "student_features",
                    "frozen_teacher_features",
                    *parameters,
                ],
                outputs="linear_probes",
                name="probe",
            ),
            Node(
                train_baseline_probes,
                inputs=[*images, "random_features", "pixel_features", "histogram_features", *parameters],
                outputs="baseline_probes",
                name="probe_baselines",
            ),
        ]
    )
