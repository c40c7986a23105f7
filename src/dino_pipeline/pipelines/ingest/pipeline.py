"""Wiring of the ingest pipeline."""

from kedro.pipeline import Node, Pipeline

from dino_pipeline.pipelines.ingest.nodes import ingest_images


def create_pipeline() -> Pipeline:
    """Source to manifest, quarantine table and summary."""
    return Pipeline(
        [
            Node(
                ingest_images,
                inputs=["params:ingest", "project_folder", "raw_folder", "ingest_cache"],
                outputs=["manifest", "quarantine", "ingest_summary"],
                name="ingest",
            )
        ]
    )
