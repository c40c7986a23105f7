"""Search for better parameters of a recipe by many short trainings."""

from dino_pipeline.pipelines.tune.pipeline import create_pipeline

__all__ = ["create_pipeline"]
