"""What the authors published of the model that is measured: their accuracies, and their linear head."""

from pathlib import Path
from typing import Any

from dino_pipeline.dino.evaluation.features import Features
from dino_pipeline.dino.evaluation.linear_head import linear_head_accuracy, read_linear_head
from dino_pipeline.dino.weights.published import PublishedModel


def published_accuracies(model: PublishedModel) -> list[str]:
    """A line for people where the model has the weights of a published network, else none."""
    known = model.imported["published"] if model.imported else None
    if not known:
        return []
    return [
        f"published of {known['title']} on ImageNet, not measured here: k-NN (k=20) {known['knn']:.1f}, "
        f"linear {known['linear']:.1f}"
    ]


def add_linear_head(report: dict[str, Any], teacher: Features, file: Path) -> None:
    """Measure a published head on the teacher's held-out features: adds `linear_head`, and a line of notes.

    Raises:
        ValueError: the file is no head, or not one for these features and classes.
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
