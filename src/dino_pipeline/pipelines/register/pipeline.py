"""Wiring of the register pipeline."""

from kedro.pipeline import Node, Pipeline

from dino_pipeline.pipelines.register.nodes import register_model


def create_pipeline() -> Pipeline:
    """A model and its metrics to a registered version, which lives in MLflow: no dataset comes out."""
    return Pipeline(
        [
            Node(
                register_model,
                inputs=["model", "metrics", "ingest_summary", "params:extract", "params:register"],
                outputs=None,
                name="register",
            )
        ]
    )
