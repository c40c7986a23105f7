"""A published linear head on stored features."""

from pathlib import Path

import numpy as np
import pytest
import torch

from dino_pipeline.dino.evaluation.features import Features
from dino_pipeline.dino.evaluation.linear_head import linear_head_accuracy, read_linear_head

CLASSES = ["n01", "n02", "n03"]


def features(embedding: torch.Tensor, linear: torch.Tensor, labels: list[str]) -> Features:
    rows = len(labels)
    return Features(
        row_ids=np.arange(rows),
        splits=np.array(["test"] * rows),
        labels=np.array(labels, dtype=np.object_),
        embedding=embedding.numpy(),
        linear=linear.numpy(),
    )


def test_averaged_patches_are_put_into_the_references_order(tmp_path: Path) -> None:
    generator = torch.Generator().manual_seed(0)
    cls, average = torch.randn(2, 40, 6, generator=generator)
    head = torch.nn.Linear(12, 3)
    # eval_linear.py: cat((output.unsqueeze(-1), mean.unsqueeze(-1)), dim=-1).reshape(batch, -1)
    theirs = torch.stack([cls, average], dim=-1).reshape(40, 12)
    with torch.no_grad():
        answers = head(theirs).argmax(dim=1)
    torch.save(
        {"epoch": 1, "state_dict": {f"module.linear.{k}": v for k, v in head.state_dict().items()}},
        tmp_path / "head.pth",
    )
    read = read_linear_head(tmp_path / "head.pth", backbone_dim=6)
    labels = [CLASSES[answer] for answer in answers]
    labels[:10] = ["n03" if label != "n03" else "n01" for label in labels[:10]]  # ten it gets wrong
    stored = features(cls, torch.cat([cls, average], dim=1), labels)
    assert linear_head_accuracy(read, stored, CLASSES) == pytest.approx(0.75)


def test_a_head_for_other_features_or_classes_is_refused(tmp_path: Path) -> None:
    torch.save(
        {"state_dict": {"module.linear.weight": torch.zeros(3, 12), "module.linear.bias": torch.zeros(3)}},
        tmp_path / "head.pth",
    )
    head = read_linear_head(tmp_path / "head.pth", backbone_dim=3)
    stored = features(torch.zeros(2, 3), torch.zeros(2, 6), ["n01", "n02"])
    with pytest.raises(
        ValueError, match=r"takes 12 dimensions, but the stored features have 6: set extract\."
    ):
        linear_head_accuracy(head, stored, CLASSES)
    wide = features(torch.zeros(2, 3), torch.zeros(2, 12), ["n01", "n02"])
    with pytest.raises(ValueError, match="3 classes, but the images have 2"):
        linear_head_accuracy(head, wide, CLASSES[:2])
    torch.save({"cls_token": torch.zeros(1)}, tmp_path / "backbone.pth")
    with pytest.raises(ValueError, match="is not a linear head; it contains cls_token"):
        read_linear_head(tmp_path / "backbone.pth", backbone_dim=3)
