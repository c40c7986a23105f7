"""Wiring of the extract pipeline."""

from kedro.pipeline import Node, Pipeline

from dino_pipeline.pipelines.extract.nodes import extract_features


def create_pipeline() -> Pipeline:
    """Images and a model to features."""
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
