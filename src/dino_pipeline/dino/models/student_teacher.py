"""Student and teacher: two networks of one shape, the teacher an average of the student over time."""

from dataclasses import replace

import torch
from torch import Tensor, nn

from dino_pipeline.dino.distributed import local
from dino_pipeline.dino.models.backbone import Backbone, build_backbone
from dino_pipeline.dino.models.backbone_config import BackboneConfig
from dino_pipeline.dino.models.drop_path import address_drop_paths
from dino_pipeline.dino.models.projection_head import ProjectionHead, ProjectionHeadConfig


class MultiCropNetwork(nn.Module):
    """Backbone and head over crops of several sizes: one backbone pass a size, one head pass for all."""

    def __init__(self, backbone: Backbone, head: ProjectionHead) -> None:
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.drop_paths = address_drop_paths(backbone)  # masks are set once a step

    def forward(self, crops: list[Tensor], keep: Tensor | None = None) -> Tensor:
        """Prototype scores of every crop.

        Args:
            crops: one tensor [crops, batch, channels, H, W] a size
            keep: stochastic-depth masks [drop paths, all crops, batch] bool; None where there is no stochastic depth

        Returns:
            [all crops, batch, prototypes], in the order given.
        """
        batch = crops[0].shape[1]
        features = []
        first = 0
        for same_size in crops:
            last = first + len(same_size)
            if keep is not None:
                for drop_path, mask in zip(self.drop_paths, keep[:, first:last].flatten(1), strict=True):
                    drop_path.keep(mask, same_size.device)
            features.append(self.backbone(same_size.flatten(0, 1)))
            first = last
        scores: Tensor = self.head(torch.cat(features))
        by_crop: Tensor = scores.unflatten(0, (-1, batch))
        return by_crop


def build_student_and_teacher(
    backbone: BackboneConfig, head: ProjectionHeadConfig
) -> tuple[MultiCropNetwork, MultiCropNetwork]:
    """A student, and a teacher that starts as its copy, takes no gradient and drops no path."""
    student = _build(backbone, head)
    teacher = _build(replace(backbone, drop_path_rate=0.0), head)
    teacher.load_state_dict(student.state_dict())
    return student, teacher.requires_grad_(False)


def _build(backbone: BackboneConfig, head: ProjectionHeadConfig) -> MultiCropNetwork:
    built = build_backbone(backbone)
    return MultiCropNetwork(built, ProjectionHead(head, in_dim=built.num_features))


@torch.no_grad()
def update_teacher(teacher: nn.Module, student: nn.Module, momentum: float) -> None:
    """teacher <- momentum * teacher + (1 - momentum) * student, for every parameter, in one fused call."""
    torch._foreach_lerp_(local(teacher.parameters()), local(student.parameters()), 1 - momentum)
