"""FSDP2 (arXiv:2304.11277): shard the weights of networks too large for one device over all processes.

Checkpoints and published models hold whole tensors, so a sharded training can resume unsharded and vice versa.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from dino_pipeline.dino.core.distributed import world_size
from dino_pipeline.dino.core.models.backbones.vision_transformer import ViTBackbone
from dino_pipeline.dino.core.models.student_teacher import MultiCropNetwork


def shard(network: MultiCropNetwork, device: torch.device) -> None:
    """Shard a network's weights over the processes, in place. Its gradients are averaged over processes."""
    mesh = init_device_mesh(device.type, (world_size(),))
    if isinstance(network.backbone, ViTBackbone):
        # Each branch is gathered separately, so that only one is whole at any moment.
        for block in network.backbone.model.blocks:
            fully_shard(block.attn, mesh=mesh)
            fully_shard(block.mlp, mesh=mesh)
    for part in (network.backbone, network.head):
        if part is not None:  # a frozen teacher has no head
            # Resharded after each forward pass, because the teacher has no backward pass to do so.
            fully_shard(part, mesh=mesh, reshard_after_forward=True)


def average_gradients(network: nn.Module, *, when: bool) -> None:
    """Set whether the next backward pass averages gradients over processes or only adds them up locally."""
    for module in network.modules():
        if isinstance(module, FSDPModule):
            module.set_requires_gradient_sync(when, recurse=False)


def whole(state: Any) -> Any:
    """A state dictionary with whole tensors in place of sharded ones. Every process must call this."""
    if isinstance(state, dict):
        return {key: whole(value) for key, value in state.items()}
    return state.full_tensor() if isinstance(state, DTensor) else state


def load_whole(network: nn.Module, state: dict[str, Tensor]) -> None:
    """Load whole tensors into a network that may be sharded."""
    own = network.state_dict()
    network.load_state_dict(spread({name: state[name] for name in own}, own))


def spread(state: dict[str, Tensor], like: dict[str, Tensor]) -> dict[str, Tensor]:
    """Shard whole tensors like the tensors of the same names in `like`."""
    return {name: _like(value, like[name]) for name, value in state.items()}


def load_whole_optimizer(optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load an optimizer's whole state over parameters that may be sharded."""
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    moments = {
        index: {
            name: _like(value, parameters[index]) if _has_shape_of(value, parameters[index]) else value
            for name, value in values.items()
        }
        for index, values in state["state"].items()
    }
    optimizer.load_state_dict(state | {"state": moments})


def _has_shape_of(value: Any, parameter: Tensor) -> bool:
    return isinstance(value, Tensor) and value.ndim > 0 and value.shape == parameter.shape


def _like(value: Tensor, own: Tensor) -> Tensor:
    if not isinstance(own, DTensor):
        return value
    return distribute_tensor(value.to(own.device), own.device_mesh, own.placements)
