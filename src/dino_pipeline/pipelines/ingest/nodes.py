"""Nodes of the ingest pipeline."""

from pathlib import Path
from typing import Any

from dino_pipeline.dino.data.images_config import ImagesConfig
from dino_pipeline.ingestion.config import IngestConfig


def ingest_images(
    config: IngestConfig, images: ImagesConfig, project_folder: Path, raw_folder: Path, ingest_cache: Path
) -> tuple[Any, Any, Any, dict[str, Any]]:
    """Manifest, quarantined files and duplicates (pandas), and a summary; see `ingestion.ingest.ingest`."""
    from dino_pipeline.ingestion.ingest import ingest  # pandas, not needed to list pipelines

    return ingest(
        config, images, project_folder=project_folder, raw_folder=raw_folder, cache_folder=ingest_cache
    )
