"""One model is one MLflow run: found by its fingerprint, written by every pipeline, able to stop none."""

from dino_pipeline.tracking.model_run import ModelRun
from dino_pipeline.tracking.runs import configure, model_run, open_model_run

__all__ = ["ModelRun", "configure", "model_run", "open_model_run"]
