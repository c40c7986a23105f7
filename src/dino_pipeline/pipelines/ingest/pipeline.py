"""Wiring of the ingest pipeline."""

from kedro.pipeline import Node, Pipeline

from dino_pipeline.pipelines.ingest.nodes import ingest_images


def create_pipeline() -> Pipeline:
    """Sources to manifest, tables of quarantined files and of duplicates, and summary."""
    return Pipeline(
        [
            Node(
                ingest_images,
                inputs=[
                    "params:ingest",
                    "params:pretrain.images",
                    "params:recipe",
                    "project_folder",
                    "raw_folder",
                    "ingest_cache",
                ],
                outputs=["manifest", "quarantine", "duplicates", "ingest_summary"],
                name="ingest",
            )
        ]
    )
