"""Published models of random weights, and the values of `extract` for small images."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
import yaml
from torch import nn

from dino_pipeline.dino.core.models.backbone import build_backbone
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
from dino_pipeline.dino.core.models.head_config import ProjectionHeadConfig
from dino_pipeline.dino.core.models.student_teacher import build_student_and_teacher
from dino_pipeline.dino.evaluation.config import BaselinesConfig, ExtractConfig
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


def publish_backbone(
    folder: Path,
    backbone: Mapping[str, object],
    *,
    seed: int = 0,
    fingerprint: str = "abc",
    mean: Sequence[float] = (0.5, 0.5, 0.5),
    std: Sequence[float] = (0.2, 0.2, 0.2),
) -> Path:
    """Teacher and student are the same backbone, without heads."""
    torch.manual_seed(seed)
    built = build_backbone(BackboneConfig(**{**backbone, "drop_path_rate": 0.0}))  # type: ignore[arg-type]
    state = nn.ModuleDict({"backbone": built}).state_dict()
    config = {
        "backbone": dict(backbone),
        "images": {"channels": 3, "bits": 8},
        "mean": list(mean),
        "std": list(std),
    }
    folder.mkdir(parents=True)
    description = PublishedModel(fingerprint=fingerprint, data_digest="d1", recipe="smoke", config=config)
    write_model(folder, description, {"teacher": state, "student": state})
    return folder


def extract_config(*, resize: int, crop: int) -> ExtractConfig:
    return ExtractConfig(
        resize=resize,
        crop=crop,
        num_last_blocks=1,
        average_patches=False,
        precision="fp32",
        batch_size=8,
        num_workers=0,
        cpu_processes=1,
        num_threads=1,
        baselines=BaselinesConfig(random_seed=0, batch_norm_images=8, pixels_size=16, histogram_bins=8),
    )
