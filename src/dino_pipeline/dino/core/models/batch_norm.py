"""Batch normalisation over all processes, on CPU as on GPU (torch's SyncBatchNorm rejects CPU tensors)."""

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from dino_pipeline.dino.core.distributed import differentiable_sum, world_size


class GlobalBatchNorm(_BatchNorm):
    """`BatchNorm1d`/`BatchNorm2d` with statistics over the batches of all processes."""

    def _check_input_dim(self, input: Tensor) -> None:
        """Accept any [N, C, ...]."""

    def forward(self, input: Tensor) -> Tensor:
        if not self.training or world_size() == 1:
            return super().forward(input)
        # Half precision is too coarse for sums over a batch.
        x = input.float() if input.dtype in (torch.float16, torch.bfloat16) else input
        axes = [axis for axis in range(x.ndim) if axis != 1]
        count = x.numel() // x.shape[1] * world_size()  # every process has a batch of the same size
        mean = differentiable_sum(x.sum(axes)) / count
        centered = x - _per_channel(mean, x)
        variance = differentiable_sum(centered.square().sum(axes)) / count
        self._track(mean.detach(), variance.detach(), count)
        normalized = centered * _per_channel((variance + self.eps).rsqrt(), x)
        if self.affine:
            normalized = normalized * _per_channel(self.weight, x) + _per_channel(self.bias, x)
        return normalized.to(input.dtype)

    def _track(self, mean: Tensor, variance: Tensor, count: int) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked += 1
        momentum = 1 / self.num_batches_tracked.item() if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), momentum)
        unbiased = variance * count / max(count - 1, 1)
        self.running_var.lerp_(unbiased.to(self.running_var.dtype), momentum)


def running_statistics(*networks: nn.Module) -> list[Tensor]:
    """The buffers that a forward pass in training mode changes."""
    return [
        buffer
        for network in networks
        for module in network.modules()
        if isinstance(module, GlobalBatchNorm)
        for buffer in module.buffers()
    ]


def running_means(network: nn.Module) -> dict[str, Tensor]:
    """Running means and variances, by name."""
    return {
        name: buffer
        for name, buffer in network.named_buffers()
        if name.endswith(("running_mean", "running_var"))
    }


def _per_channel(values: Tensor, like: Tensor) -> Tensor:
    return values.view(1, -1, *[1] * (like.ndim - 2))


def globalize_batch_norm(network: nn.Module) -> None:
    """Turn every `BatchNorm1d` and `BatchNorm2d` of a network into a `GlobalBatchNorm`, in place.

    Raises:
        ValueError: the network has another kind of batch norm, whose statistics would silently stay local.
    """
    for name, module in network.named_modules():
        if type(module) in (nn.BatchNorm1d, nn.BatchNorm2d):
            # Only the class changes, hence `forward`: fields, parameters, hooks, names and initial values stay.
            module.__class__ = GlobalBatchNorm
        elif isinstance(module, _BatchNorm) and not isinstance(module, GlobalBatchNorm):
            raise ValueError(
                f"{name} is a {type(module).__name__}, which cannot compute its statistics over several "
                "processes: train this backbone with one process"
            )
