"""A step whose loss or gradient is not finite is left out, on all processes alike, and AdamW decides on the device."""

import torch
from torch import Tensor
from torch.optim import Optimizer

from dino_pipeline.dino.distributed import all_reduce_sum


def not_finite_anywhere(*scalars: Tensor) -> Tensor:
    """Whether any of these is infinite or NaN on any process: a bool on the device, the same on every process."""
    bad = ~torch.stack(scalars).isfinite().all()
    return all_reduce_sum(bad.float()) > 0


def step_unless(skip: Tensor, optimizer: Optimizer, scaler: torch.amp.GradScaler) -> None:
    """Step, or leave weights and moments exactly as they are where `skip` is true.

    Args:
        scaler: where it is enabled, for float16, it finds the same infinities in the same gradients.
    """
    if scaler.is_enabled():
        scaler.step(optimizer)
        scaler.update()
    elif isinstance(optimizer, torch.optim.AdamW):
        # What the scaler, too, hands to fused optimizers: their kernels read it, nobody waits.
        optimizer.found_inf = skip.float()  # type: ignore[attr-defined]
        optimizer.step()
    elif not skip:  # SGD and LARS cannot be told on the device, so here the device is waited for
        optimizer.step()
