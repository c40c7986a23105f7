"""The parameters that a model was trained with."""

import json
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from dino_pipeline.model_registry.lineage.models import Model
from dino_pipeline.model_registry.lineage.part import Part
from dino_pipeline.tracking.run import flatten
from dino_pipeline.tracking.runs import artifact

if TYPE_CHECKING:
    from mlflow import MlflowClient

CONFIGURATION = "configuration.json"  # as pretrain logged it, with everything resolved


def parameters_of(model: Model, client: "MlflowClient") -> Part:
    """The resolved parameters among the artifacts of the model's run."""
    if model.run is None:
        return Part("there is no run that recorded them", is_obtainable=False)
    with tempfile.TemporaryDirectory() as folder:
        file = artifact(client, model.run.run_id, CONFIGURATION, Path(folder))
        if file is None:
            return Part(f"MLflow run {model.run.run_id} has no {CONFIGURATION}", is_obtainable=False)
        count = len(flatten(json.loads(file.read_text())))
    return Part(f"{count} values, {CONFIGURATION} of MLflow run {model.run.run_id}", is_obtainable=True)
