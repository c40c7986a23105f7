"""The attention_segmentation pipeline: how well a ViT's heads outline objects."""

from dino_pipeline.pipelines.attention_segmentation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
