"""Extraction under torchrun."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from dino_pipeline.dino.config import to_dict
from dino_pipeline.dino.evaluation.launch import extract
from dino_pipeline.dino.evaluation.model_features import NAMES
from dino_pipeline.dino.models.backbone_config import BackboneConfig
from dino_pipeline.dino.models.projection_head import ProjectionHeadConfig
from dino_pipeline.dino.models.published import PublishedModel, write_model
from dino_pipeline.dino.models.student_teacher import build_student_and_teacher

BACKBONE = BackboneConfig(
    name="vit_tiny_patch16_224",
    options={"img_size": 16, "patch_size": 4, "embed_dim": 24, "depth": 3, "num_heads": 3},
    drop_path_rate=0.1,
)
HEAD = ProjectionHeadConfig(
    num_prototypes=16, num_layers=2, hidden_dim=8, bottleneck_dim=4, norm_last_layer=True, batch_norm=False
)


def test_two_processes_extract_what_one_does(manifest, extract_config, tmp_path: Path) -> None:
    torch.manual_seed(0)
    student, teacher = build_student_and_teacher(BACKBONE, HEAD)
    config = {"backbone": to_dict(BACKBONE), "mean": [0.5, 0.4, 0.3], "std": [0.2, 0.25, 0.3]}
    description = PublishedModel(fingerprint="f", data_digest="d", recipe="r", config=config)
    write_model(tmp_path, description, {"teacher": teacher.state_dict(), "student": student.state_dict()})
    one = extract(manifest, tmp_path, extract_config)
    two = extract(manifest, tmp_path, replace(extract_config, cpu_processes=2))
    assert set(one) == set(two) == set(NAMES)
    for name in NAMES:
        for column in ("row_ids", "splits", "labels"):
            assert np.array_equal(getattr(one[name], column), getattr(two[name], column)), (name, column)
        np.testing.assert_allclose(two[name].embedding, one[name].embedding, atol=1e-5, err_msg=name)
        np.testing.assert_allclose(
            two[name].for_linear_probe, one[name].for_linear_probe, atol=1e-5, err_msg=name
        )
