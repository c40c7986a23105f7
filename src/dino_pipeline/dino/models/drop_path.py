"""Stochastic depth whose masks are addressed by (seed, step, block, crop, sample), not drawn from a global generator.

So the same residual branches are dropped for any number of processes and after any resume.
"""

import numpy as np
import torch
from timm.layers import DropPath
from torch import Tensor, nn

from dino_pipeline.dino.data.addressing import Domain, generator_at


class AddressedDropPath(nn.Module):
    """Drops a residual branch for whole samples, where the mask set beforehand says so (arXiv:1603.09382)."""

    keep: Tensor | None

    def __init__(self, drop_probability: float) -> None:
        super().__init__()
        self.drop_probability = drop_probability
        self.keep = None  # [samples], already divided by the keep probability

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        assert self.keep is not None, "set_drop_path_masks comes before a forward pass in training mode"
        return x * self.keep.to(x.dtype).view(-1, *[1] * (x.ndim - 1))


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
    """The masks of one step for this process's part of the batch.

    Args:
        batch: positions of this process's samples within the whole batch of `batch_size`.

    Returns:
        [drop paths, crops, samples] float32: 0 where dropped, 1 / keep probability elsewhere.
    """
    # Every process draws the masks of the whole batch and keeps its own columns: they do not depend on the split.
    draws = generator_at(seed, Domain.DROP_PATH, step).random(
        (len(drop_paths), num_crops, batch_size), dtype=np.float32
    )
    probabilities = torch.tensor([d.drop_probability for d in drop_paths])[:, None, None]
    own = torch.from_numpy(draws[:, :, batch.start : batch.stop])
    return (own >= probabilities).float() / (1 - probabilities)
