"""The fine_tune pipeline: a model and labelled images become accuracies of fine-tuned networks."""

from dino_pipeline.pipelines.fine_tune.pipeline import create_pipeline

__all__ = ["create_pipeline"]
