"""The retrieval pipeline: held-out images search train images, a model is given numbers and a picture."""

from dino_pipeline.pipelines.retrieval.pipeline import create_pipeline

__all__ = ["create_pipeline"]
