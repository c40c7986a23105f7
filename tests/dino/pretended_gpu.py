"""A pretended GPU: torch's FakeTensorMode computes shapes, types and devices of CUDA tensors on any machine.

A CPU tensor that mixes in and a read by the host are errors there. `Strict` adds what fake tensors let pass and a real
GPU waits for: a list or a CPU tensor as an index, and a copy between host and device that blocks.
The backward pass needs a real GPU, so that here every parameter gets a gradient of its own shape.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode, unset_fake_temporarily
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from dino_pipeline.dino.core import state as state_module
from dino_pipeline.dino.core import step as step_module
from dino_pipeline.dino.core.models.drop_path import AddressedDropPath, Kept
from dino_pipeline.dino.core.models.student_teacher import MultiCropNetwork
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.core.state import TrainingState

GPU = torch.device("cuda")
_COPIES = (torch.ops.aten._to_copy.default, torch.ops.aten.copy_.default)


class WaitsForTheDeviceError(Exception):
    """An operation that a real GPU refuses, or that makes the host wait for it."""


class Strict(TorchDispatchMode):
    """Refuses operations on tensors of both devices, and copies between them that block."""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        tensors = [x for x in tree_leaves((args, kwargs, result)) if isinstance(x, Tensor)]
        # A number, which is a CPU tensor without dimensions, travels with the kernel's arguments.
        devices = {x.device.type for x in tensors if x.ndim or x.device.type == "cuda"}
        if len(devices) > 1:
            is_asynchronous = (kwargs or {}).get("non_blocking") and tensors[0].device.type == "cpu"
            if func not in _COPIES or not is_asynchronous:
                raise WaitsForTheDeviceError(f"{func} between {' and '.join(sorted(devices))}")
        return result


@contextmanager
def pretended_gpu() -> Iterator[FakeTensorMode]:
    """Tensors made inside are fake, and autocast believes in a GPU with bfloat16."""
    with (
        FakeTensorMode() as mode,
        mock.patch("torch.cuda.amp.common.amp_definitely_not_available", return_value=False),
        mock.patch("torch.cuda.is_bf16_supported", return_value=True),
    ):
        yield mode


def move(network: nn.Module, device: torch.device = GPU, dtype: torch.dtype = torch.float32) -> None:
    """Move a network that was built for real to the pretended GPU: fake tensors take the place of its weights."""
    for module in network.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                fake = torch.empty(parameter.shape, dtype=dtype, device=device)
                module._parameters[name] = nn.Parameter(fake, requires_grad=parameter.requires_grad)
        for name, buffer in module._buffers.items():
            if buffer is not None:
                own = dtype if buffer.is_floating_point() else buffer.dtype
                module._buffers[name] = torch.empty(buffer.shape, dtype=own, device=device)


def built_for_real(config: PretrainConfig) -> tuple[MultiCropNetwork, MultiCropNetwork]:
    """Networks are drawn on the CPU (timm and `trunc_normal_` read numbers), and then move."""
    with unset_fake_temporarily():
        networks = _build_networks(config)
    for network in networks:
        network.to = lambda device, dtype, own=network: move(own, device, dtype)  # type: ignore[assignment, misc]
    return networks


_build_networks = state_module.build_networks


def pretended_state(config: PretrainConfig) -> TrainingState:
    """A training's state on the pretended GPU. Call it inside `pretended_gpu`."""
    with mock.patch.object(state_module, "build_networks", built_for_real):
        return TrainingState(config, GPU)


def _keep(self: AddressedDropPath, mask: Tensor, device: torch.device) -> None:
    """As if half the samples were kept: their number depends on values, which fake tensors lack."""
    samples = torch.empty(max(1, len(mask) // 2), dtype=torch.int64, device=device)
    self.kept = Kept(samples, 1 / (1 - self.drop_probability))


def _masks(drop_paths: list[AddressedDropPath], *, num_crops: int, batch: range, **_: Any) -> Tensor:
    return torch.empty(len(drop_paths), num_crops, len(batch), dtype=torch.bool)


@contextmanager
def backward_pretended(state: TrainingState) -> Iterator[None]:
    """Let `loss.backward()` give every parameter that learns a gradient, and stochastic depth keep half the samples."""

    def backward(loss: Tensor) -> None:
        assert loss.requires_grad
        assert loss.ndim == 0
        for learner in state.learners:
            for parameter in learner.network.parameters():
                if parameter.requires_grad:
                    parameter.grad = torch.empty_like(parameter)

    with (
        mock.patch.object(Tensor, "backward", backward),
        mock.patch.object(AddressedDropPath, "keep", _keep),
        mock.patch.object(step_module, "keep_masks", _masks),
    ):
        yield
