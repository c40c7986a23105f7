"""The evaluations by name. Each is the folder of its name; its module `evaluation` holds the value `EVALUATION`."""

from importlib import import_module
from typing import Any

from dino_pipeline.evaluations.evaluation import Evaluation

_NAMES = (
    "data_quality",
    "attention_segmentation",
    "patch_segmentation",
    "retrieval",
    "copy_detection",
    "video_segmentation",
    "low_shot",
    "label_spreading",
    "fine_tune",
    "failure_cards",
)

EVALUATIONS: dict[str, Evaluation[Any]] = {
    name: import_module(f"{__package__}.{name}.evaluation").EVALUATION for name in _NAMES
}
