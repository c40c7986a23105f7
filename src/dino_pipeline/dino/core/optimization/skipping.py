"""A step whose loss or gradient is not finite is skipped, on all processes alike; the device decides.

Too many in a row are an error.
"""

import torch
from torch import Tensor
from torch.optim import Optimizer

from dino_pipeline.dino.core.distributed import all_reduce_sum, local


class NonFiniteError(FloatingPointError):
    """More steps in a row than allowed had a loss or a gradient that is not finite."""


class SkipCounter:
    """How many steps were skipped, and how many of them in a row until now."""

    def __init__(self, max_in_a_row: int) -> None:
        self.max_in_a_row = max_in_a_row
        self.count = 0
        self.in_a_row = 0

    def add(self, is_skipped: bool) -> bool:
        """Count a step; whether there are more skipped ones in a row now than allowed."""
        self.count += is_skipped
        self.in_a_row = self.in_a_row + 1 if is_skipped else 0
        return self.in_a_row > self.max_in_a_row


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
    else:
        _step_and_take_back(skip, optimizer)


def _step_and_take_back(skip: Tensor, optimizer: Optimizer) -> None:
    """For SGD and LARS, which have no kernel that reads it for sharded weights too: costs a copy, but nobody waits."""
    parameters = [parameter.detach() for group in optimizer.param_groups for parameter in group["params"]]
    values = local([*parameters, *(state["momentum_buffer"] for state in optimizer.state.values())])
    before = [value.clone() for value in values]
    optimizer.step()
    for value, unchanged in zip(values, before, strict=True):
        value.copy_(torch.where(skip, unchanged, value))
