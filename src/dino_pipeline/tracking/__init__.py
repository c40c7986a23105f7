"""Track models in MLflow. One model is one run, found by its fingerprint. Tracking errors never stop a pipeline."""

from dino_pipeline.tracking.recording import Recording
from dino_pipeline.tracking.run import ModelRun
from dino_pipeline.tracking.tracker import (
    configure,
    find_run,
    model_run,
    open_comparison_run,
    open_model_run,
    open_study_run,
    remind_of_spool,
    ui_command,
)

__all__ = [
    "ModelRun",
    "Recording",
    "configure",
    "find_run",
    "model_run",
    "open_comparison_run",
    "open_model_run",
    "open_study_run",
    "remind_of_spool",
    "ui_command",
]
