"""The video_segmentation pipeline: annotated first frames become masks of whole videos, and J and F."""

from dino_pipeline.pipelines.video_segmentation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
