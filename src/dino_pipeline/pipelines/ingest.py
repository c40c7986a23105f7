"""The ingest pipeline: read sources of images into a manifest."""

from pathlib import Path
from typing import Any

from kedro.pipeline import Node, Pipeline

from dino_pipeline.dino.core.data.images_config import ImagesConfig
from dino_pipeline.ingestion.config import IngestConfig
from dino_pipeline.workspace.config_loader import shared_parameters


def ingest_images(
    config: IngestConfig,
    images: ImagesConfig,
    recipe: str,
    project_folder: Path,
    raw_folder: Path,
    ingest_cache: Path,
) -> tuple[Any, Any, Any, dict[str, Any]]:
    """Manifest, quarantined files and duplicates (pandas), and a summary; see `ingestion.ingest.ingest`."""
    from dino_pipeline.ingestion.data_set import data_set_name
    from dino_pipeline.ingestion.ingest import ingest  # pandas is not needed to list pipelines
    from dino_pipeline.ingestion.listing import MANIFEST
    from dino_pipeline.ingestion.summary import report_changes

    found = ingest(
        config, images, project_folder=project_folder, raw_folder=raw_folder, cache_folder=ingest_cache
    )
    report_changes(project_folder / MANIFEST.format(recipe=recipe), found.manifest)
    own = shared_parameters(project_folder / "conf", recipe)["ingest"]
    return found._replace(summary={"name": data_set_name(config, own, recipe), **found.summary})


def create_pipeline() -> Pipeline:
    """Turn sources into a manifest, tables of quarantined files and of duplicates, and a summary."""
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
