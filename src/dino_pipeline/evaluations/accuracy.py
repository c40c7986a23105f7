"""Additions to the measures of `evaluate`: where the model looks, published numbers, accuracy kept by distillation."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from PIL import Image

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.images import DeepPixels
from dino_pipeline.dino.core.data.images_config import PixelStatistics
from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.core.models.backbone import Backbone, build_backbone
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
from dino_pipeline.dino.evaluation.config import EvaluateConfig
from dino_pipeline.dino.evaluation.features import Features
from dino_pipeline.dino.evaluation.linear_head import linear_head_accuracy, read_linear_head
from dino_pipeline.dino.features.evaluation_transform_config import EvaluationTransformConfig
from dino_pipeline.dino.weights.published import FROZEN_TEACHER, PublishedModel, frozen_teacher_config
from dino_pipeline.plotting.grids import grid
from dino_pipeline.plotting.panels import panels, spread, whole_panels


def picture(
    backbone: Backbone,
    images: Manifest,
    photograph: DeepPixels | None,
    config: EvaluateConfig,
    transform: EvaluationTransformConfig,
) -> Image.Image:
    """Plot a row for the photograph, if there is one, and for each of some images spread evenly over the manifest."""
    shown = spread(images, config.picture.num_images)
    rows = panels(backbone, shown, image_size=config.picture.image_size, transform=transform)
    labels = [label or "" for label in shown.labels]
    if photograph is not None:
        statistics = PixelStatistics(transform.mean, transform.std)
        whole = whole_panels(backbone, photograph, size=config.photograph.size, statistics=statistics)
        rows.insert(0, whole)
        labels.insert(0, "held out")
    return grid(rows, labels, cell=(1.5, 1.6))


def published_accuracies(model: PublishedModel) -> list[str]:
    """A line with the published accuracies where the model has the weights of a published network; else none."""
    known = model.imported["published"] if model.imported else None
    if not known:
        return []
    return [
        f"published for {known['title']} on ImageNet, not measured here: k-NN (k=20) {known['knn']:.1f}, linear "
        f"{known['linear']:.1f}"
    ]


def add_linear_head(report: dict[str, Any], teacher: Features, file: Path) -> None:
    """Measure a published head on the teacher's held-out features. Adds `linear_head` and a line of notes.

    Raises:
        ValueError: the file is no head, or its head does not fit these features and classes.
    """
    head = read_linear_head(file, backbone_dim=teacher.embedding.shape[1])
    classes = sorted({label for label in teacher.labels if label is not None})
    shares = {
        split: linear_head_accuracy(head, teacher.split(split), classes)
        for split in ("val", "test")
        if f"{split}/knn" not in report["skipped"]  # without labels, or images
    }
    for split, share in shares.items():
        report[split]["teacher"]["linear_head"] = share
    measured = ", ".join(f"{100 * share:.1f} on {split}" for split, share in shares.items())
    report["notes"].append(f"the linear head {file.name}: {measured or 'not measured without labels'}")


def kept(model: PublishedModel, report: Mapping[str, Any], *, num_neighbors: int) -> list[str]:
    """A line with the parameters and the accuracy that a distilled model keeps of its teacher's; none for other models.

    Args:
        report: the measures, including the frozen teacher's; on test where that has images.
        num_neighbors: the k of the reported accuracy.
    """
    config = frozen_teacher_config(model)
    if config is None:
        return []
    own, whole = (
        num_parameters(backbone) for backbone in (from_dict(BackboneConfig, model.config["backbone"]), config)
    )
    parts = [
        f"the student has {own:,} of the {whole:,} parameters of the frozen teacher, {config.name} "
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
    """Number of parameters of the network that a configuration names."""
    with torch.device("meta"):  # shapes without memory
        return sum(parameter.numel() for parameter in build_backbone(backbone).parameters())
