"""Wiring of the compare pipeline."""

from kedro.pipeline import Node, Pipeline

from dino_pipeline.pipelines.compare.nodes import compare_models, predict_cost


def create_pipeline() -> Pipeline:
    """Parameters to predicted hours, which `--tags=dry_run` runs alone; a manifest to table and plot."""
    return Pipeline(
        [
            Node(
                predict_cost,
                inputs=[
                    "ingested_manifest",
                    "project_folder",
                    "params:ingest",
                    "params:pretrain",
                    "params:monitoring",
                    "params:launch",
                    "params:compare",
                ],
                outputs="comparison_cost",
                name="predict_cost",
                tags="dry_run",
            ),
            Node(
                compare_models,
                inputs=[
                    "manifest",
                    "comparison_cost",
                    "project_folder",
                    "training_folder",
                    "comparison_folder",
                    "params:recipe",
                    "params:pretrain",
                    "params:monitoring",
                    "params:launch",
                    "params:extract",
                    "params:compare",
                ],
                outputs=["comparison_table", "comparison_page", "comparison_picture"],
                name="compare",
            ),
        ]
    )
