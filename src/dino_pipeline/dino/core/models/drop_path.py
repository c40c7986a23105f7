"""Stochastic depth with masks addressed by (seed, step, block, crop, sample), not drawn from a global generator.

So the same residual branches are dropped for any number of processes and after any resume. The masks are known
beforehand, so a branch is computed only for the samples that keep it: less memory and time for the same result.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from timm.layers import DropPath
from torch import Tensor, nn

from dino_pipeline.dino.core.data.addressing import Domain, generator_at


class Kept(NamedTuple):
    """The samples of a batch that keep a residual branch, and the factor that preserves the mean."""

    samples: Tensor  # [kept] positions
    scale: float


class AddressedDropPath(nn.Module):
    """Drops a residual branch for whole samples, given by `keep` before the forward pass (arXiv:1603.09382)."""

    kept: Kept | None

    def __init__(self, drop_probability: float) -> None:
        super().__init__()
        self.drop_probability = drop_probability
        self.kept = None

    def keep(self, mask: Tensor, device: torch.device) -> None:
        """Set which samples of the next batch keep the branch: [samples] bool, on the CPU."""
        self.kept = Kept(
            mask.nonzero().flatten().to(device, non_blocking=True), 1 / (1 - self.drop_probability)
        )

    def forward(self, branch: Tensor) -> Tensor:
        """Zero the branch of dropped samples, for networks that compute it for all samples."""
        if not self.training:
            return branch
        assert self.kept is not None, "keep() comes before a forward pass in training mode"
        mask = branch.new_zeros(len(branch))
        mask[self.kept.samples] = self.kept.scale
        return branch * mask.view(-1, *[1] * (branch.ndim - 1))


def add_residual(x: Tensor, branch: Callable[[Tensor], Tensor], kept: Kept | None) -> Tensor:
    """x + branch(x), with the branch only for the samples that keep it; for all samples if `kept` is None."""
    if kept is None:
        return x + branch(x)
    residual = branch(x[kept.samples])
    return x.index_add(0, kept.samples, (residual * kept.scale).to(x.dtype))


def address_drop_paths(backbone: nn.Module) -> list[AddressedDropPath]:
    """Replace every timm `DropPath` of a network, in order, and return the replacements."""
    replaced = []
    for module in list(backbone.modules()):
        for name, child in module.named_children():
            if isinstance(child, DropPath):
                addressed = AddressedDropPath(child.drop_prob)
                setattr(module, name, addressed)
                replaced.append(addressed)
    return replaced


def keep_masks(
    drop_paths: list[AddressedDropPath],
    *,
    seed: int,
    step: int,
    num_crops: int,
    batch: range,
    batch_size: int,
) -> Tensor:
    """The masks of one step for part of a batch.

    Args:
        batch: positions of the samples within the whole batch of `batch_size`.

    Returns:
        [drop paths, crops, samples] bool, on the CPU: True keeps the branch.
    """
    # Every process draws masks for the whole batch and keeps its own columns, so masks do not depend on the split.
    draws = generator_at(seed, Domain.DROP_PATH, step).random(
        (len(drop_paths), num_crops, batch_size), dtype=np.float32
    )
    probabilities = torch.tensor([d.drop_probability for d in drop_paths])[:, None, None]
    return torch.from_numpy(draws[:, :, batch.start : batch.stop]) >= probabilities
