"""The data_quality pipeline: what can be said of features and of images without a label."""

from dino_pipeline.pipelines.data_quality.pipeline import create_pipeline

__all__ = ["create_pipeline"]
