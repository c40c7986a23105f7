"""Student and teacher by closed form."""

import torch

from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
from dino_pipeline.dino.core.models.projection_head import ProjectionHeadConfig
from dino_pipeline.dino.core.models.student_teacher import build_student_and_teacher, update_teacher

OPTIONS = {"img_size": 16, "patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 3}
HEAD = ProjectionHeadConfig(
    num_prototypes=16,
    num_layers=2,
    hidden_dim=8,
    bottleneck_dim=4,
    activation="gelu",
    norm_last_layer=True,
    batch_norm=False,
)


def networks(rate: float = 0.0) -> tuple[torch.nn.Module, torch.nn.Module]:
    backbone = BackboneConfig(name="vit_tiny_patch16_224", options=OPTIONS, drop_path_rate=rate)
    return build_student_and_teacher(backbone, HEAD)


def test_teacher_starts_as_the_student_without_gradient_or_stochastic_depth() -> None:
    student, teacher = networks(rate=0.3)
    assert all(torch.equal(a, b) for a, b in zip(student.parameters(), teacher.parameters(), strict=True))
    assert not any(p.requires_grad for p in teacher.parameters())
    assert student.drop_paths
    assert not teacher.drop_paths


def test_teacher_follows_the_student_as_a_moving_average() -> None:
    student, teacher = networks()
    start = [p.clone() for p in teacher.parameters()]
    with torch.no_grad():
        for p in student.parameters():
            p.add_(1.0)
    for _ in range(3):
        update_teacher(teacher, student, momentum=0.9, with_statistics=False)
    for before, after in zip(start, teacher.parameters(), strict=True):
        torch.testing.assert_close(after, before + (1 - 0.9**3))


def test_scores_come_back_by_crop_and_image_whatever_the_sizes() -> None:
    student, _ = networks()
    large, small = torch.randn(2, 3, 3, 16, 16), torch.randn(4, 3, 3, 8, 8)
    scores, features, embeddings = student([large, small])
    assert scores.shape == (6, 3, 16)
    torch.testing.assert_close(scores[1, 2], student.head(student.backbone(large[1, 2][None]))[0][0])
    torch.testing.assert_close(features[1, 2], student.backbone(large[1, 2][None])[0])
    torch.testing.assert_close(scores[5, 0], student.head(student.backbone(small[3, 0][None]))[0][0])
    torch.testing.assert_close(embeddings[5, 0], student.head.mlp(student.backbone(small[3, 0][None]))[0])
