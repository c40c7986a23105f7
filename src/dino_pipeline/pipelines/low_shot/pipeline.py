"""Wiring of the low_shot pipeline."""

from kedro.pipeline import Node, Pipeline

from dino_pipeline.evaluations.low_shot.evaluation import draw_low_shot, measure_low_shot


def create_pipeline() -> Pipeline:
    """Features to accuracies with few labels, and these to a picture."""
    return Pipeline(
        [
            Node(
                measure_low_shot,
                inputs=[
                    "teacher_features",
                    "student_features",
                    "random_features",
                    "pixel_features",
                    "histogram_features",
                    "model",
                    "params:low_shot",
                ],
                outputs="low_shot_metrics",
                name="low_shot",
            ),
            Node(draw_low_shot, inputs="low_shot_metrics", outputs="low_shot_picture", name="draw_low_shot"),
        ]
    )
