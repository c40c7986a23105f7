"""The evaluate pipeline: features become measures, a model a picture."""

from dino_pipeline.pipelines.evaluate.pipeline import create_pipeline

__all__ = ["create_pipeline"]
