"""The coding rate (arXiv:2502.10385, equation 4): a term that keeps embeddings from falling into few dimensions."""

import torch
import torch.nn.functional as F
from torch import Tensor

from dino_pipeline.dino.core.distributed import differentiable_sum, world_size


def coding_rate(embeddings: Tensor, *, epsilon: float) -> Tensor:
    """Mean over views of 1/2 log det(I + D / (N epsilon^2) Z^T Z), in nats, with the N rows of Z of unit length.

    It is 0 for one embedding of zeros, and largest where the embeddings of a view fill all D dimensions equally.

    Args:
        embeddings: [views, batch, D], in float32 or float64. N counts the batch of all processes.
        epsilon: the distortion up to which embeddings are told apart; a smaller one rewards small differences more.
    """
    views, batch, dim = embeddings.shape
    unit = F.normalize(embeddings, dim=-1)
    covariance = differentiable_sum(unit.mT @ unit) / (batch * world_size())
    identity = torch.eye(dim, dtype=unit.dtype, device=unit.device)
    # The determinant by Cholesky: the matrix is positive definite, and its smallest eigenvalue is at least 1.
    factor = torch.linalg.cholesky_ex(identity + dim / epsilon**2 * covariance).L
    rate: Tensor = factor.diagonal(dim1=-2, dim2=-1).log().sum() / views
    return rate
