"""Skip a step whose loss or gradient is not finite, on all processes alike. The decision stays on the device.

Too many skipped steps in a row are an error.
"""

import torch
from torch import Tensor
from torch.optim import Optimizer

from dino_pipeline.dino.core.distributed import all_reduce_sum, local


class NonFiniteError(FloatingPointError):
    """The loss or gradient was not finite in more steps in a row than allowed."""


class SkipCounter:
    """Counts the skipped steps, in total and in a row up to now."""

    def __init__(self, max_in_a_row: int) -> None:
        self.max_in_a_row = max_in_a_row
        self.count = 0
        self.in_a_row = 0

    def add(self, is_skipped: bool) -> bool:
        """Count a step; return whether more steps in a row are skipped now than allowed."""
        self.count += is_skipped
        self.in_a_row = self.in_a_row + 1 if is_skipped else 0
        return self.in_a_row > self.max_in_a_row


def not_finite_anywhere(*scalars: Tensor) -> Tensor:
    """Whether any scalar is infinite or NaN on any process: a bool on the device, equal on every process."""
    bad = ~torch.stack(scalars).isfinite().all()
    return all_reduce_sum(bad.float()) > 0


def step_unless(skip: Tensor, optimizer: Optimizer, scaler: torch.amp.GradScaler) -> None:
    """Take an optimizer step, or leave weights and moments exactly as they are if `skip` is true.

    Args:
        scaler: for float16. If enabled, it finds the same infinities in the same gradients and skips by itself.
    """
    if scaler.is_enabled():
        scaler.step(optimizer)
        scaler.update()
    elif isinstance(optimizer, torch.optim.AdamW):
        # Fused kernels read this flag, as with the scaler, so that the host does not wait for the device.
        optimizer.found_inf = skip.float()  # type: ignore[attr-defined]
        optimizer.step()
    else:
        _step_and_take_back(skip, optimizer)


def _step_and_take_back(skip: Tensor, optimizer: Optimizer) -> None:
    """Step, then undo it if `skip` is true. SGD and LARS lack a kernel that reads the flag for sharded weights too.

    This costs a copy of the values, but the host does not wait for the device.
    """
    parameters = [parameter.detach() for group in optimizer.param_groups for parameter in group["params"]]
    values = local([*parameters, *(state["momentum_buffer"] for state in optimizer.state.values())])
    before = [value.clone() for value in values]
    optimizer.step()
    for value, unchanged in zip(values, before, strict=True):
        value.copy_(torch.where(skip, unchanged, value))
