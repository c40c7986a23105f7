"""Position embeddings at another image size, resampled as the published DINO code does."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

# The reference adds 0.1 to the target grid so that rounding inside `interpolate` never loses a row
# (https://github.com/facebookresearch/dino/issues/8). It changes the values, so weights trained with it need it.
_ROUNDING_OFFSET = 0.1


def interpolate_position_embedding(
    position_embedding: Tensor, height: int, width: int, *, num_prefix: int = 1
) -> Tensor:
    """Resample to a grid of `height` x `width` patches: bicubic, without antialiasing.

    Args:
        position_embedding: [1, prefix + native patches, dim]; the prefix rows ([CLS], registers) stay as they are.

    Returns:
        [1, prefix + height * width, dim]; the input itself at the native size.
    """
    native = math.isqrt(position_embedding.shape[1] - num_prefix)
    if (height, width) == (native, native):
        return position_embedding
    prefix, patches = position_embedding[:, :num_prefix], position_embedding[:, num_prefix:]
    grid = patches.unflatten(1, (native, native)).permute(0, 3, 1, 2)  # [1, dim, native, native]
    scale = ((height + _ROUNDING_OFFSET) / native, (width + _ROUNDING_OFFSET) / native)
    resampled = F.interpolate(grid, scale_factor=scale, mode="bicubic")
    return torch.cat([prefix, resampled.permute(0, 2, 3, 1).flatten(1, 2)], dim=1)
