"""Gradient clipping as DINO does it: every parameter tensor by its own norm, not all of them by one."""

import torch
from torch import Tensor


@torch.no_grad()
def clip_each_gradient(gradients: list[Tensor], max_norm: float) -> Tensor:
    """Scale down each gradient longer than `max_norm`, in place, without waiting for the device.

    Args:
        max_norm: 0 leaves the gradients as they are.

    Returns:
        The norm of all gradients together, before clipping: a scalar for the log.
    """
    norms = torch.stack(torch._foreach_norm(gradients))
    if max_norm > 0:
        scales = (max_norm / (norms + 1e-6)).clamp(max=1.0)
        torch._foreach_mul_(gradients, list(scales.unbind()))
    total: Tensor = norms.norm()
    return total
