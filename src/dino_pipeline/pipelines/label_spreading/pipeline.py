"""Wiring of the label_spreading pipeline."""

from kedro.pipeline import Node, Pipeline

from dino_pipeline.evaluations.label_spreading.evaluation import spread_labels


def create_pipeline() -> Pipeline:
    """Features and a few labels to a label for every image."""
    return Pipeline(
        [
            Node(
                spread_labels,
                inputs=[
                    "manifest",
                    "project_folder",
                    "teacher_features",
                    "random_features",
                    "model",
                    "params:label_spreading",
                ],
                outputs=["spread_labels", "label_spreading_metrics"],
                name="label_spreading",
            )
        ]
    )
