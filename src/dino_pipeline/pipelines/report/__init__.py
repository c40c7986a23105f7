"""The report pipeline: one page that says what a model learned, and shows it."""

from dino_pipeline.pipelines.report.pipeline import create_pipeline

__all__ = ["create_pipeline"]
