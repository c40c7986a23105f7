"""Student and teacher. Usually they have one shape, and the teacher is an average of the student over time."""

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor, nn

from dino_pipeline.dino.core.distributed import local
from dino_pipeline.dino.core.models.backbone import Backbone, build_backbone
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
from dino_pipeline.dino.core.models.batch_norm import running_means
from dino_pipeline.dino.core.models.drop_path import address_drop_paths
from dino_pipeline.dino.core.models.head_config import PredictorConfig, ProjectionHeadConfig
from dino_pipeline.dino.core.models.projection_head import ProjectionHead
from dino_pipeline.dino.core.models.teacher_config import TeacherConfig


class NetworkOutput(NamedTuple):
    """A network's outputs for crops, in the order given."""

    logits: Tensor  # [all crops, batch, logits]
    features: Tensor  # [all crops, batch, dim], from the backbone
    embeddings: Tensor  # [all crops, batch, bottleneck], from the head before predictor and prototypes


class MultiCropNetwork(nn.Module):
    """Backbone and head over crops of several sizes: one backbone pass per size, one head pass for all."""

    def __init__(self, backbone: Backbone, head: ProjectionHead | None) -> None:
        """Combine a backbone and a head. Without a head, logits and embeddings are the backbone's features."""
        super().__init__()
        self.backbone = backbone
        self.head = head
        self.drop_paths = address_drop_paths(backbone)  # masks are set once per step

    def forward(self, crops: list[Tensor], keep: Tensor | None = None) -> NetworkOutput:
        """Logits, features and embeddings of every crop.

        Args:
            crops: one tensor [crops, batch, channels, H, W] per size
            keep: stochastic-depth masks [drop paths, all crops, batch] bool; None without stochastic depth
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
        all_features = torch.cat(features)
        logits, embeddings = (all_features, all_features) if self.head is None else self.head(all_features)
        return NetworkOutput(*(x.unflatten(0, (-1, batch)) for x in (logits, all_features, embeddings)))

    @property
    def prototypes(self) -> list[nn.Parameter]:
        """The parameters of the head's last layer; empty if there is none."""
        if self.head is None or self.head.last_layer is None:
            return []
        return list(self.head.last_layer.parameters())


def build_student_and_teacher(
    backbone: BackboneConfig,
    head: ProjectionHeadConfig,
    predictor: PredictorConfig | None = None,
    *,
    teacher_is_copy: bool = True,
    frozen_teacher: BackboneConfig | None = None,
) -> tuple[MultiCropNetwork, MultiCropNetwork]:
    """Build a student, and a teacher without gradient, stochastic depth and predictor.

    Args:
        predictor: the student's.
        teacher_is_copy: the teacher starts as a copy of the student; otherwise as another random network.
        frozen_teacher: the architecture of a frozen teacher. It has no head, and its weights are loaded later.
    """
    student = _network(backbone, head, predictor)
    if frozen_teacher is not None:
        teacher = MultiCropNetwork(build_backbone(replace(frozen_teacher, drop_path_rate=0.0)), None)
    else:
        teacher = _network(replace(backbone, drop_path_rate=0.0), head)
    if teacher_is_copy:
        weights = student.state_dict()
        teacher.load_state_dict({name: weights[name] for name in teacher.state_dict()})
    return student, teacher.requires_grad_(False)


def build_peers(
    backbone: BackboneConfig, head: ProjectionHeadConfig
) -> tuple[MultiCropNetwork, MultiCropNetwork]:
    """Build two students of one shape with independent weights."""
    return _network(backbone, head), _network(backbone, head)


def _network(
    backbone: BackboneConfig, head: ProjectionHeadConfig, predictor: PredictorConfig | None = None
) -> MultiCropNetwork:
    built = build_backbone(backbone)
    return MultiCropNetwork(built, ProjectionHead(head, in_dim=built.num_features, predictor=predictor))


def teacher_logits(
    config: TeacherConfig,
    teacher: MultiCropNetwork,
    global_crops: Tensor,
    outputs: Sequence[NetworkOutput],
) -> list[Tensor]:
    """The logits that are the target of each learning network: [global crops, batch, logits].

    Args:
        global_crops: [global crops, batch, channels, H, W]
        outputs: the student's, and its peer's if there is one.
    """
    own = [output.logits[: len(global_crops)] for output in outputs]
    if config.name == "none":
        return own
    if config.name == "peer":
        student, peer = own
        return [peer.detach(), student.detach()]
    teacher.train(config.batch_statistics)
    with torch.no_grad():
        return [teacher([global_crops]).logits]


@torch.no_grad()
def update_teacher(teacher: nn.Module, student: nn.Module, momentum: float, *, with_statistics: bool) -> None:
    """teacher <- momentum * teacher + (1 - momentum) * student, for every parameter, in one fused call.

    Args:
        with_statistics: update batch norm's running statistics in the same way.
    """
    students = dict(student.named_parameters())  # with a predictor's, which the teacher does not have
    names, own = zip(*teacher.named_parameters(), strict=True)
    torch._foreach_lerp_(local(own), local(students[name] for name in names), 1 - momentum)
    if with_statistics:
        averages = running_means(student)
        for name, values in running_means(teacher).items():
            values.lerp_(averages[name], 1 - momentum)
