"""Pretrain a backbone with DINO under torchrun."""

from dino_pipeline.pipelines.pretrain.pipeline import create_pipeline

__all__ = ["create_pipeline"]
