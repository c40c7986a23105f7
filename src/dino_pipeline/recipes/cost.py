"""Compute a training's parameters, FLOPs and memory from its configuration alone, on tensors without data."""

from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from dino_pipeline.dino.core.losses.loss import LossInput, build_loss
from dino_pipeline.dino.core.models.student_teacher import teacher_logits
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.core.state import build_networks
from dino_pipeline.dino.launching.torchrun import num_processes
from dino_pipeline.dino.training.config import LaunchConfig, MonitoringConfig

# The rate that a V100 sustained in the paper's own ViT-S/16 (arXiv:2104.14294, table 8: 2x224 and 10x96 px, 100
# epochs in 24.2 h on 16 GPUs): 123.4 GFLOP per image, because it runs the last block's MLP for all tokens.
V100_FLOPS = 11.3e12
_STUDENT_BYTES = 4 * 4  # weight, gradient, AdamW's two moments: float32
# Main memory of Python, torch and the other libraries, as a small training has it.
_PROCESS_BYTES = 950_000_000
_FLOAT_BYTES = 4
_TEACHER_BYTES = 4  # weight; a snapshot likewise
# Under autocast matrix products keep half precision; norms and the loss keep float32.
_HALF_SHARE = 0.6


class Cost(NamedTuple):
    """The cost of one training step.

    Attributes:
        backbone_parameters: parameters of the student's backbone.
        head_parameters: parameters of the student's head.
        flops_per_image: forward of teacher and student, and backward, over all crops of an image.
        state_bytes: memory that does not depend on the batch.
        bytes_per_image: activations that the backward pass needs.
    """

    backbone_parameters: int
    head_parameters: int
    flops_per_image: int
    state_bytes: int
    bytes_per_image: int

    def memory_bytes(self, num_images: int) -> int:
        """Memory for this number of images at once on one device."""
        return self.state_bytes + num_images * self.bytes_per_image


def training_cost(config: PretrainConfig, *, root: Path = Path()) -> Cost:
    """Build the networks of a configuration without memory, and count a step of 2 and one of 4 images.

    Args:
        root: the project folder, where the user's own loss files lie.
    """
    with torch.device("meta"):
        # All samples keep all branches: stochastic depth only makes a step cheaper.
        student, teacher = build_networks(
            replace(config, backbone=replace(config.backbone, drop_path_rate=0.0))
        )
        loss = build_loss(config.loss, config.projection_head.num_logits, root=root)
    learning = [student, teacher] if config.teacher.name == "peer" else [student]
    own = {parameter.untyped_storage()._cdata for network in learning for parameter in network.parameters()}

    def step(num_images: int) -> tuple[int, int]:
        saved: dict[int, int] = {}

        def keep(tensor: Tensor) -> Tensor:
            storage = tensor.untyped_storage()
            if storage._cdata not in own:
                saved[storage._cdata] = storage.nbytes()
            alive.append(tensor)  # else the next storage could get a freed storage's address
            return tensor

        alive: list[Tensor] = []
        crops = _crops(config, num_images)
        with (
            FlopCounterMode(display=False) as counter,
            torch.autograd.graph.saved_tensors_hooks(keep, lambda t: t),
        ):
            outputs = [network(crops) for network in learning]
            targets = teacher_logits(config.teacher, teacher, crops[0], outputs)
            labels = torch.zeros(num_images, dtype=torch.int64, device="meta")
            for (logits, features, embeddings), target in zip(outputs, targets, strict=True):
                loss(LossInput(logits, features, embeddings, target, 1.0, labels)).loss.backward()
        return counter.get_total_flops(), sum(saved.values())

    (flops, small), (_, large) = step(2), step(4)
    share = 1.0 if config.precision in ("fp32", "fp64") else _HALF_SHARE
    num_snapshots = config.teacher.num_snapshots if config.teacher.name == "snapshot_average" else 0
    num_parameters, num_in_teacher = (
        sum(p.numel() for p in network.parameters()) for network in (student, teacher)
    )
    teacher_bytes = _STUDENT_BYTES if config.teacher.name == "peer" else _TEACHER_BYTES * (1 + num_snapshots)
    num_in_backbone = sum(p.numel() for p in student.backbone.parameters())
    return Cost(
        backbone_parameters=num_in_backbone,
        head_parameters=num_parameters - num_in_backbone,
        flops_per_image=flops // 2,
        state_bytes=_STUDENT_BYTES * num_parameters + teacher_bytes * num_in_teacher,
        bytes_per_image=round((large - small) / 2 * share),
    )


def memory_bytes(config: PretrainConfig, launch: LaunchConfig, cost: Cost) -> int:
    """Memory of a training on one GPU, or in one process."""
    at_once = config.batch_size // num_processes(launch.cpu_processes) // config.accumulation_steps
    own = 0 if torch.cuda.is_available() else _PROCESS_BYTES
    return own + cost.memory_bytes(max(1, at_once))


def training_bytes(monitoring: MonitoringConfig, cost: Cost, num_steps: int) -> int:
    """Disk that a training takes: its checkpoints, and the finished model where it trains and where it is published."""
    network = _FLOAT_BYTES * (cost.backbone_parameters + cost.head_parameters)
    every = monitoring.keep_checkpoint_every_steps
    kept = monitoring.keep_last_checkpoints + (num_steps // every if every else 0)
    # A checkpoint has all that a step needs but gradients; the model has teacher and student.
    return kept * (cost.state_bytes - network) + 2 * 2 * network


def _crops(config: PretrainConfig, num_images: int) -> list[Tensor]:
    sizes = [
        (2, config.multi_crop.global_crop_size),
        (config.multi_crop.num_local_crops, config.multi_crop.local_crop_size),
    ]
    channels = config.images.channels
    return [
        torch.empty(count, num_images, channels, size, size, device="meta") for count, size in sizes if count
    ]
