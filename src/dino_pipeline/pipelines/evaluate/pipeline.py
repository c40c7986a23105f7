"""Wiring of the evaluate pipeline."""

from kedro.pipeline import Node, Pipeline

from dino_pipeline.pipelines.evaluate.nodes import draw_picture, evaluate_features


def create_pipeline() -> Pipeline:
    """Features to metrics, held-out images to a picture."""
    return Pipeline(
        [
            Node(
                evaluate_features,
                inputs=[
                    "teacher_features",
                    "student_features",
                    "frozen_teacher_features",
                    "random_features",
                    "pixel_features",
                    "histogram_features",
                    "linear_probes",
                    "model",
                    "params:evaluate",
                    "params:probe",
                ],
                outputs="metrics",
                name="evaluate",
            ),
            Node(
                draw_picture,
                inputs=["manifest", "project_folder", "model", "params:evaluate"],
                outputs="attention_picture",
                name="draw_picture",
            ),
        ]
    )
