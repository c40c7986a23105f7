"""A published model of random weights, and how to make others."""

from pathlib import Path

import torch
import yaml

from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
from dino_pipeline.dino.core.models.head_config import ProjectionHeadConfig
from dino_pipeline.dino.core.models.student_teacher import build_student_and_teacher
from dino_pipeline.dino.weights.published import PublishedModel, write_model

CONF = Path(__file__).parents[1] / "conf"
FINGERPRINT = "f" * 64
TINY_VIT: dict[str, object] = {
    "name": "vit_tiny_patch16_224",
    "options": {"img_size": 32, "patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 3},
    "drop_path_rate": 0.0,
}


def publish(folder: Path, backbone: dict[str, object]) -> Path:
    torch.manual_seed(0)
    values = yaml.safe_load((CONF / "base" / "parameters_pretrain.yml").read_text())["pretrain"]
    head = {**values["projection_head"], "num_prototypes": 8, "hidden_dim": 16, "bottleneck_dim": 8}
    student, teacher = build_student_and_teacher(BackboneConfig(**backbone), ProjectionHeadConfig(**head))  # type: ignore[arg-type]
    folder.mkdir(parents=True)
    description = PublishedModel(
        fingerprint=FINGERPRINT,
        data_digest="0",
        recipe=folder.name,
        config={**values, "backbone": backbone, "projection_head": head},
    )
    write_model(folder, description, {"student": student.state_dict(), "teacher": teacher.state_dict()})
    return folder
