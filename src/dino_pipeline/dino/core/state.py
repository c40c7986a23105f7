"""Everything that changes during a training."""

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

CENTER = "centering.center"  # key of the center among a loss's buffers


class Learner(NamedTuple):
    """A network that is trained, with its loss."""

    network: MultiCropNetwork
    parallel: nn.Module  # averages the network's gradients over processes
    loss: Loss  # with its own center or queue of the logits that are this network's targets


class TrainingState:
    """Student, teacher, loss, optimizer, float16's gradient scaler, and the number of steps and rollbacks so far."""

    def __init__(
        self, config: PretrainConfig, device: torch.device, *, sharded: bool = False, root: Path = Path()
    ) -> None:
        """Build a new state at step 0.

        Args:
            sharded: shard the weights over the processes.
            root: the project folder, where the user's own loss files lie.
        """
        torch.manual_seed(config.seed)  # so that every process builds the same student
        self.student, self.teacher = build_networks(config)
        # The result of a training is its teacher if the teacher learns, otherwise its student.
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
        # float16 gradients underflow without a scale; for other precisions the scaler does nothing
        self.scaler = torch.amp.GradScaler(device.type, enabled=config.precision == "fp16")
        self.step = 0
        self.num_rollbacks = 0
        self.learners = [
            Learner(network, _parallel(network, sharded=sharded), loss)
            for network, loss in zip(learning, losses, strict=True)
        ]

    @property
    def loss(self) -> Loss:
        """The student's loss. A peer has a loss of its own, with its own center or queue."""
        return self.learners[0].loss

    def state_dict(self) -> dict[str, Any]:
        """The state as plain values and whole tensors. Every process must call this, since shards are gathered."""
        return {
            "student": whole(self.student.state_dict()),
            # A frozen teacher is saved once, in the training's folder.
            **({} if self.has_frozen_teacher else {"teacher": whole(self.teacher.state_dict())}),
            **{name: loss.state_dict() for name, loss in self._losses().items()},
            "optimizer": whole(self.optimizer.state_dict()),
            "scaler": self.scaler.state_dict(),
            "step": self.step,
            "num_rollbacks": self.num_rollbacks,
            **({"snapshots": [whole(taken) for taken in self.snapshots.taken]} if self.snapshots else {}),
        }

    def load_initial(self, initial: dict[str, Any]) -> None:
        """Load initial weights. A head or center that they lack stays new, with the same head in both networks."""
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
            # Progress adopted from a training with another kind of teacher has no snapshots.
            like = self.teacher.state_dict()
            self.snapshots.taken = [spread(taken, like) for taken in state.get("snapshots", [])]
        self.scaler.load_state_dict(state["scaler"])
        self.step = state["step"]
        self.num_rollbacks = state["num_rollbacks"]

    def _losses(self) -> dict[str, Loss]:
        # One loss, or two with a peer.
        names = ("loss", "peers_loss")
        return {name: learner.loss for name, learner in zip(names, self.learners, strict=False)}


def loss_state_of_now(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Rename the buffers in a loss's saved state to today's names; older checkpoints use private attribute names."""
    return {
        key.removeprefix("between.").replace("operator.", "centering."): value for key, value in state.items()
    }


def build_networks(config: PretrainConfig) -> tuple[MultiCropNetwork, MultiCropNetwork]:
    """Build the student and the teacher. A teacher that is a peer learns as the student does."""
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
    """Average gradients over processes. Batch norm's statistics are already global."""
    if world_size() == 1 or sharded:
        return network
    return DistributedDataParallel(network, gradient_as_bucket_view=True)
