"""L-BFGS (Nocedal and Wright, Numerical Optimization, algorithm 7.5) for many smooth convex problems in parallel.

Each problem has its own history, direction and step; all share every pass over the data.
"""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

_MEMORY = 10  # pairs of steps and gradient changes
_SUFFICIENT_DECREASE = 1e-4
_MAX_HALVINGS = 40

# From parameters [groups, members, size] and the members' positions [members] to values [groups, members], gradients.
Objective = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]


class Minimum(NamedTuple):
    """The result of the search: parameters [groups, members, size] and bool [groups, members]."""

    parameters: Tensor
    has_converged: Tensor


class _Pair(NamedTuple):
    step: Tensor
    change: Tensor  # of the gradient
    inverse_product: Tensor  # 1 / (step . change); 0 if the pair has no information


def minimize(objective: Objective, start: Tensor, *, tolerance: float, max_iterations: int) -> Minimum:
    """Minimise each problem until no entry of its gradient exceeds the tolerance.

    Further passes leave out a member once it has converged in every group.

    Args:
        start: [groups, members, size].
    """
    result = start.clone()
    has_converged = torch.zeros(start.shape[:2], dtype=torch.bool, device=start.device)
    members = torch.arange(start.shape[1], device=start.device)
    x = start
    value, gradient = objective(x, members)
    pairs: list[_Pair] = []
    is_stuck = torch.zeros_like(has_converged)
    for _ in range(max_iterations):
        is_flat = gradient.abs().amax(dim=-1) <= tolerance
        result[:, members], has_converged[:, members] = x, is_flat
        is_active = ~is_flat & ~is_stuck
        keep = is_active.any(dim=0)
        if not keep.any():
            return Minimum(result, has_converged)
        if not keep.all():
            members, x, value, gradient = members[keep], x[:, keep], value[:, keep], gradient[:, keep]
            is_active, is_stuck = is_active[:, keep], is_stuck[:, keep]
            pairs = [_Pair(*(part[:, keep] for part in pair)) for pair in pairs]
        direction = -_inverse_hessian_times(gradient, pairs)
        length = gradient.norm(dim=-1).clamp(min=1) if not pairs else torch.ones_like(value)
        step = torch.where(is_active, 1 / length, 0.0)
        slope = (direction * gradient).sum(dim=-1)
        slack = 4 * torch.finfo(value.dtype).eps * value.abs()  # bound on the rounding error
        for _ in range(_MAX_HALVINGS):
            moved = x + step[..., None] * direction
            moved_value, moved_gradient = objective(moved, members)
            is_too_far = moved_value > value + _SUFFICIENT_DECREASE * step * slope + slack
            if not is_too_far.any():
                break
            step = torch.where(is_too_far, step / 2, step)
        # The remaining gain is below rounding: stay.
        is_stuck |= is_too_far
        moved = torch.where(is_too_far[..., None], x, moved)
        moved_gradient = torch.where(is_too_far[..., None], gradient, moved_gradient)
        value = torch.where(is_too_far, value, moved_value)
        pairs = [*pairs[1 - _MEMORY :], _pair(moved - x, moved_gradient - gradient)]
        x, gradient = moved, moved_gradient
    result[:, members] = x
    has_converged[:, members] = gradient.abs().amax(dim=-1) <= tolerance
    return Minimum(result, has_converged)


def _pair(step: Tensor, change: Tensor) -> _Pair:
    product = (step * change).sum(dim=-1)
    says_something = product > torch.finfo(product.dtype).eps * change.square().sum(dim=-1)
    return _Pair(step, change, torch.where(says_something, 1 / product, 0.0))


def _inverse_hessian_times(gradient: Tensor, pairs: list[_Pair]) -> Tensor:
    """The two-loop recursion (algorithm 7.4)."""
    result = gradient
    weights = []
    for pair in reversed(pairs):
        weight = pair.inverse_product * (pair.step * result).sum(dim=-1)
        weights.append(weight)
        result = result - weight[..., None] * pair.change
    if pairs:
        last = pairs[-1]
        square = last.change.square().sum(dim=-1)
        scale = torch.where(last.inverse_product > 0, 1 / (last.inverse_product * square), 1.0)
        result = scale[..., None] * result
    for pair, weight in zip(pairs, reversed(weights), strict=True):
        correction = weight - pair.inverse_product * (pair.change * result).sum(dim=-1)
        result = result + correction[..., None] * pair.step
    return result
