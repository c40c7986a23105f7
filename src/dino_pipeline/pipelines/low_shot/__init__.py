"""The low_shot pipeline: stored features and few labels become accuracies."""

from dino_pipeline.pipelines.low_shot.pipeline import create_pipeline

__all__ = ["create_pipeline"]
