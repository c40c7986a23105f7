"""One model is one MLflow run: found by its fingerprint, written by every pipeline, able to stop none."""

from dino_pipeline.tracking.opening import (
    configure,
    find_run,
    model_run,
    open_comparison_run,
    open_model_run,
    open_study_run,
    remind_of_unsent,
)
from dino_pipeline.tracking.run import ModelRun

__all__ = [
    "ModelRun",
    "configure",
    "find_run",
    "model_run",
    "open_comparison_run",
    "open_model_run",
    "open_study_run",
    "remind_of_unsent",
]
