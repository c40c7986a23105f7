"""The register pipeline: a model becomes a version that can be served."""

from dino_pipeline.pipelines.register.pipeline import create_pipeline

__all__ = ["create_pipeline"]
