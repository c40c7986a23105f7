"""Wiring of the copy detection pipeline."""

from kedro.pipeline import Node, Pipeline

from dino_pipeline.evaluations.copy_detection.evaluation import evaluate_copy_detection, find_copies


def create_pipeline() -> Pipeline:
    """A model and a folder of originals and copies to metrics and a picture."""
    return Pipeline(
        [
            Node(
                find_copies,
                inputs=["project_folder", "params:copy_detection"],
                outputs="copies",
                name="find_copies",
            ),
            Node(
                evaluate_copy_detection,
                inputs=[
                    "copies",
                    "manifest",
                    "project_folder",
                    "model",
                    "params:extract",
                    "params:copy_detection",
                ],
                outputs=["copy_detection_metrics", "copy_detection_picture"],
                name="copy_detection",
            ),
        ]
    )
