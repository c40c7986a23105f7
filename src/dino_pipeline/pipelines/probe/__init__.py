"""The probe pipeline: linear classifiers of frozen features."""

from dino_pipeline.pipelines.probe.pipeline import create_pipeline

__all__ = ["create_pipeline"]
