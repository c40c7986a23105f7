"""Gradient clipping as in DINO: each parameter tensor is clipped by its own norm."""

import torch
from torch import Tensor

from dino_pipeline.dino.core.distributed import all_reduce_sum, local


@torch.no_grad()
def clip_each_gradient(gradients: list[Tensor], max_norm: float) -> Tensor:
    """Scale down each gradient longer than `max_norm`, in place, without waiting for the device.

    Args:
        max_norm: 0 turns clipping off.

    Returns:
        The norm of all gradients together before clipping, as a scalar tensor.
    """
    own = local(gradients)
    norms = torch.stack(torch._foreach_norm(own))
    if any(part is not gradient for part, gradient in zip(own, gradients, strict=True)):
        norms = all_reduce_sum(norms.square()).sqrt()  # each process has only its shards
    if max_norm > 0:
        scales = (max_norm / (norms + 1e-6)).clamp(max=1.0)
        torch._foreach_mul_(own, list(scales.unbind()))
    total: Tensor = norms.norm()
    return total
