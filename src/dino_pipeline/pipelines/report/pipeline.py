"""Wiring of the report pipeline."""

from kedro.pipeline import Node, Pipeline

from dino_pipeline.pipelines.report.nodes import draw_report


def create_pipeline() -> Pipeline:
    """All that is known of a model to one page."""
    return Pipeline(
        [
            Node(
                draw_report,
                inputs=[
                    "manifest",
                    "quarantine",
                    "ingest_summary",
                    "project_folder",
                    "training_folder",
                    "model",
                    "teacher_features",
                    "metrics",
                    "params:report",
                ],
                outputs="report",
                name="draw_report",
            )
        ]
    )
