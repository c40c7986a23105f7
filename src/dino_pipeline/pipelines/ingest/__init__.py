"""The ingest pipeline: a source of images becomes a manifest."""

from dino_pipeline.pipelines.ingest.pipeline import create_pipeline

__all__ = ["create_pipeline"]
