"""The patch_segmentation pipeline: what frozen patch tokens know of classes."""

from dino_pipeline.pipelines.patch_segmentation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
