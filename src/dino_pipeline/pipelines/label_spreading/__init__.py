"""The label_spreading pipeline: a few labels become a label for every image."""

from dino_pipeline.pipelines.label_spreading.pipeline import create_pipeline

__all__ = ["create_pipeline"]
