"""KoLeo (arXiv:1806.03198, as in DINOv2, arXiv:2304.07193): a term that keeps features apart from each other."""

import torch
import torch.nn.functional as F
from torch import Tensor

from dino_pipeline.dino.core.distributed import differentiable_gather, rank

_EPSILON = 1e-8  # DINOv2's value, for two features that coincide


def koleo(features: Tensor) -> Tensor:
    """Mean of -log(distance to the nearest other image) over images and views, on the unit sphere.

    Args:
        features: [views, batch, dim]. Neighbours come from the same view, in the batch of all processes.
    """
    directions = F.normalize(features, dim=-1)
    # [views, whole batch, dim]
    all_directions = differentiable_gather(directions).transpose(0, 1).flatten(1, 2)
    batch = features.shape[1]
    positions = torch.arange(batch, device=features.device)
    with torch.no_grad():
        cosines = directions @ all_directions.mT
        cosines[:, positions, rank() * batch + positions] = -torch.inf
        nearest = cosines.argmax(dim=-1, keepdim=True)  # [views, batch, 1]
    neighbours = all_directions.gather(1, nearest.expand(-1, -1, features.shape[-1]))
    distances = F.pairwise_distance(directions, neighbours, eps=_EPSILON)
    return -(distances + _EPSILON).log().mean()
