"""Models side by side, trained where they have to be."""

from dino_pipeline.pipelines.compare.pipeline import create_pipeline

__all__ = ["create_pipeline"]
