"""Position embeddings at another image size, resampled as the published DINO code does."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

# The reference adds 0.1 to the target grid so that rounding inside `interpolate` never loses a row
# (https://github.com/facebookresearch/dino/issues/8). It changes the values, so weights trained with it need it.
_ROUNDING_OFFSET = 0.1


def interpolate_position_embedding(position_embedding: Tensor, height: int, width: int) -> Tensor:
    """Resample to a grid of `height` x `width` patches: bicubic, without antialiasing.

    Args:
        position_embedding: [1, 1 + native patches, dim]; the first row belongs to [CLS] and is kept as it is.

    Returns:
        [1, 1 + height * width, dim]; the input itself at the native size.
    """
    native = math.isqrt(position_embedding.shape[1] - 1)
    if (height, width) == (native, native):
        return position_embedding
    cls, patches = position_embedding[:, :1], position_embedding[:, 1:]
    grid = patches.unflatten(1, (native, native)).permute(0, 3, 1, 2)  # [1, dim, native, native]
    scale = ((height + _ROUNDING_OFFSET) / native, (width + _ROUNDING_OFFSET) / native)
    resampled = F.interpolate(grid, scale_factor=scale, mode="bicubic")
    return torch.cat([cls, resampled.permute(0, 2, 3, 1).flatten(1, 2)], dim=1)
