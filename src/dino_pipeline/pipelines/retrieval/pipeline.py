"""Wiring of the retrieval pipeline."""

from kedro.pipeline import Node, Pipeline

from dino_pipeline.evaluations.retrieval.evaluation import evaluate_retrieval


def create_pipeline() -> Pipeline:
    """A model and images to metrics and a picture."""
    return Pipeline(
        [
            Node(
                evaluate_retrieval,
                inputs=["manifest", "project_folder", "model", "params:extract", "params:retrieval"],
                outputs=["retrieval_metrics", "retrieval_picture"],
                name="retrieval",
            )
        ]
    )
