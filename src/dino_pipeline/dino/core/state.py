"""Everything that changes while DINO trains, and nothing else."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from dino_pipeline.dino.core.distributed import world_size
from dino_pipeline.dino.core.losses.loss import Loss, build_loss
from dino_pipeline.dino.core.models.backbones.vision_transformer import ViTBackbone
from dino_pipeline.dino.core.models.batch_norm import globalize_batch_norm
from dino_pipeline.dino.core.models.sharding import load_whole, load_whole_optimizer, shard, spread, whole
from dino_pipeline.dino.core.models.snapshots import Snapshots
from dino_pipeline.dino.core.models.student_teacher import (
    MultiCropNetwork,
    build_peers,
    build_student_and_teacher,
)
from dino_pipeline.dino.core.optimization.optimizers import build_optimizer
from dino_pipeline.dino.core.pretrain_config import PretrainConfig

CENTER = "centering.center"  # the center's name among a loss's buffers


class Learner(NamedTuple):
    """A network that is trained."""

    network: MultiCropNetwork
    parallel: nn.Module  # it averages the network's gradients over processes
    loss: Loss  # with a center or a queue of the logits that this network follows


class TrainingState:
    """Student, teacher, loss, optimizer, float16's gradient scaler, and how many steps and rollbacks there were."""

    def __init__(
        self, config: PretrainConfig, device: torch.device, *, sharded: bool = False, root: Path = Path()
    ) -> None:
        """Build all of it anew.

        Args:
            sharded: spread the weights over the processes.
            root: the project folder, where a loss of the user's own is looked for.
        """
        torch.manual_seed(config.seed)  # every process builds the same student
        self.student, self.teacher = build_networks(config)
        # A teacher that learns is what a training is for; one that stays as it was is not.
        self.product = self.teacher if config.teacher.learns else self.student
        self.has_frozen_teacher = config.frozen_teacher is not None
        learning = [self.student, self.teacher] if config.teacher.name == "peer" else [self.student]
        losses = [build_loss(config.loss, config.projection_head.num_logits, root=root) for _ in learning]
        for part in (self.student, self.teacher, *losses):
            part.to(device, torch.float64 if config.precision == "fp64" else torch.float32)
        self.half = {"bf16": torch.bfloat16, "fp16": torch.float16}.get(config.precision)
        for network in (self.student, self.teacher):
            globalize_batch_norm(network)
            if device.type == "cpu" and self.half and isinstance(network.backbone, ViTBackbone):
                network.backbone.use_matmul_attention()
            if sharded:
                shard(network, device)
        averages_snapshots = config.teacher.name == "snapshot_average"
        self.snapshots = Snapshots(config.teacher.num_snapshots) if averages_snapshots else None
        self.optimizer = build_optimizer(config.optimizer, *learning)
        # float16 gradients underflow without a scale; everywhere else this does nothing
        self.scaler = torch.amp.GradScaler(device.type, enabled=config.precision == "fp16")
        self.step = 0
        self.num_rollbacks = 0
        self.learners = [
            Learner(network, _parallel(network, sharded=sharded), loss)
            for network, loss in zip(learning, losses, strict=True)
        ]

    @property
    def loss(self) -> Loss:
        """The student's; a peer has another, with a center or a queue of its own."""
        return self.learners[0].loss

    def state_dict(self) -> dict[str, Any]:
        """Plain values and whole tensors; every process must ask."""
        return {
            "student": whole(self.student.state_dict()),
            # A frozen teacher lies in the training's folder, once.
            **({} if self.has_frozen_teacher else {"teacher": whole(self.teacher.state_dict())}),
            **{name: loss.state_dict() for name, loss in self._losses().items()},
            "optimizer": whole(self.optimizer.state_dict()),
            "scaler": self.scaler.state_dict(),
            "step": self.step,
            "num_rollbacks": self.num_rollbacks,
            **({"snapshots": [whole(taken) for taken in self.snapshots.taken]} if self.snapshots else {}),
        }

    def load_initial(self, initial: dict[str, Any]) -> None:
        """Start from given weights; a head or center that they lack stays new, the same head in both networks."""
        networks = {"student": self.student} | ({} if self.has_frozen_teacher else {"teacher": self.teacher})
        for name, network in networks.items():
            load_whole(network, whole(network.state_dict()) | initial[name])
        if initial["center"] is not None and CENTER in self.loss.state_dict():
            self.loss.load_state_dict({CENTER: initial["center"]}, strict=False)  # all else begins anew

    def load_state_dict(self, state: dict[str, Any]) -> None:
        load_whole(self.student, state["student"])
        if not self.has_frozen_teacher:
            load_whole(self.teacher, state["teacher"])
        for name, loss in self._losses().items():
            is_of_now = state[name].keys() == loss.state_dict().keys()
            loss.load_state_dict(state[name] if is_of_now else loss_state_of_now(state[name]))
        load_whole_optimizer(self.optimizer, state["optimizer"])
        if self.snapshots:
            # Adopted progress may be that of another teacher, and has none.
            like = self.teacher.state_dict()
            self.snapshots.taken = [spread(taken, like) for taken in state.get("snapshots", [])]
        self.scaler.load_state_dict(state["scaler"])
        self.step = state["step"]
        self.num_rollbacks = state["num_rollbacks"]

    def _losses(self) -> dict[str, Loss]:
        # One, or two with a peer's.
        names = ("loss", "peers_loss")
        return {name: learner.loss for name, learner in zip(names, self.learners, strict=False)}


def loss_state_of_now(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A loss's buffers by the names of now; checkpoints of before called them by private attributes."""
    return {
        key.removeprefix("between.").replace("operator.", "centering."): value for key, value in state.items()
    }


def build_networks(config: PretrainConfig) -> tuple[MultiCropNetwork, MultiCropNetwork]:
    """The student and its teacher, which learns as well where it is a peer."""
    if config.teacher.name == "peer":
        return build_peers(config.network, config.projection_head)
    return build_student_and_teacher(
        config.network,
        config.projection_head,
        config.predictor,
        teacher_is_copy=config.teacher.follows_student,
        frozen_teacher=config.frozen_teacher,
    )


def _parallel(network: MultiCropNetwork, *, sharded: bool) -> nn.Module:
    """Gradients are averaged over processes; statistics of batch norm are global already."""
    if world_size() == 1 or sharded:
        return network
    return DistributedDataParallel(network, gradient_as_bucket_view=True)
