"""Wiring of the fine_tune pipeline."""

from kedro.pipeline import Node, Pipeline

from dino_pipeline.evaluations.fine_tune.evaluation import draw_fine_tuning, fine_tune_model


def create_pipeline() -> Pipeline:
    """A model and labelled images to accuracies, and these to a picture."""
    return Pipeline(
        [
            Node(
                fine_tune_model,
                inputs=["manifest", "project_folder", "model", "params:fine_tune", "params:extract"],
                outputs="fine_tune_metrics",
                name="fine_tune",
            ),
            Node(
                draw_fine_tuning,
                inputs="fine_tune_metrics",
                outputs="fine_tune_picture",
                name="draw_fine_tuning",
            ),
        ]
    )
