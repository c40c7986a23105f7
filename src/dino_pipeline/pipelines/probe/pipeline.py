"""Wiring of the probe pipeline."""

from kedro.pipeline import Node, Pipeline

from dino_pipeline.pipelines.probe.nodes import train_probes


def create_pipeline() -> Pipeline:
    """Images, a model and features to linear classifiers."""
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
