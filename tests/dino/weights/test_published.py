"""Finished models on disk."""

from pathlib import Path

import pytest
import torch

from dino_pipeline.dino.core.config import to_dict
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
from dino_pipeline.dino.core.models.projection_head import ProjectionHeadConfig
from dino_pipeline.dino.core.models.student_teacher import build_student_and_teacher
from dino_pipeline.dino.weights.published import PublishedModel, load_backbone, read_model, write_model

BACKBONE = BackboneConfig(
    name="vit_tiny_patch16_224",
    options={"img_size": 16, "patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 3},
    drop_path_rate=0.1,
)
HEAD = ProjectionHeadConfig(
    num_prototypes=16,
    num_layers=2,
    hidden_dim=8,
    bottleneck_dim=4,
    activation="gelu",
    norm_last_layer=True,
    batch_norm=True,
)


def test_a_backbone_comes_back_in_evaluation_mode_as_it_was(tmp_path: Path) -> None:
    student, teacher = build_student_and_teacher(BACKBONE, HEAD)
    with torch.no_grad():
        student.backbone.model.norm.bias.add_(1.0)
    description = PublishedModel(
        fingerprint="f", data_digest="d", recipe="r", config={"backbone": to_dict(BACKBONE)}
    )
    write_model(tmp_path, description, {"teacher": teacher.state_dict(), "student": student.state_dict()})
    assert read_model(tmp_path) == description
    images = torch.randn(2, 3, 16, 16)
    for name, network in (("teacher", teacher), ("student", student)):
        loaded = load_backbone(tmp_path, name)
        assert not loaded.training
        torch.testing.assert_close(loaded(images), network.backbone.eval()(images))


def test_equal_models_are_equal_bytes(tmp_path: Path) -> None:
    student, teacher = build_student_and_teacher(BACKBONE, HEAD)
    description = PublishedModel(fingerprint="f", data_digest="d", recipe="r", config={})
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        write_model(
            tmp_path / name, description, {"teacher": teacher.state_dict(), "student": student.state_dict()}
        )
    for file in ("model.json", "teacher.safetensors", "student.safetensors"):
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes()


def test_a_missing_model_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="kedro run --pipeline=pretrain"):
        read_model(tmp_path)
