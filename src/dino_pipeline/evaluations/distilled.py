"""What a distilled model keeps of its teacher: how many of its parameters, how much of its accuracy."""

from collections.abc import Mapping
from typing import Any

import torch

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.models.backbone import build_backbone
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
from dino_pipeline.dino.weights.published import FROZEN_TEACHER, PublishedModel, frozen_teacher_config


def kept(model: PublishedModel, report: Mapping[str, Any], *, num_neighbors: int) -> list[str]:
    """A line for people of a distilled model, else none.

    Args:
        report: what was measured, the frozen teacher with it; on test where that has images.
        num_neighbors: the k whose accuracy is told.
    """
    config = frozen_teacher_config(model)
    if config is None:
        return []
    own, whole = (
        num_parameters(backbone) for backbone in (from_dict(BackboneConfig, model.config["backbone"]), config)
    )
    parts = [
        f"of the frozen teacher ({config.name}) {own:,} of {whole:,} parameters are kept "
        f"({100 * own / whole:.0f} %)"
    ]
    split = "test" if report["num_images"]["test"] else "val"
    measured, teachers = report[split]["teacher"], report[split][FROZEN_TEACHER]
    for key, title in ((f"knn_{num_neighbors}", f"k-NN (k={num_neighbors})"), ("linear", "linear")):
        if teachers.get(key):
            parts.append(
                f"{title} on {split} {100 * measured[key]:.1f} of {100 * teachers[key]:.1f} "
                f"({100 * measured[key] / teachers[key]:.0f} %)"
            )
    return ["; ".join(parts)]


def num_parameters(backbone: BackboneConfig) -> int:
    """Of the network that a configuration names."""
    with torch.device("meta"):  # shapes without memory
        return sum(parameter.numel() for parameter in build_backbone(backbone).parameters())
