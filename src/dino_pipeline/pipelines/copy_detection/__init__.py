"""The copy detection pipeline: edited copies search for their originals, a model is given numbers and a picture."""

from dino_pipeline.pipelines.copy_detection.pipeline import create_pipeline

__all__ = ["create_pipeline"]
