"""The extract pipeline: a model and images become features."""

from dino_pipeline.pipelines.extract.pipeline import create_pipeline

__all__ = ["create_pipeline"]
