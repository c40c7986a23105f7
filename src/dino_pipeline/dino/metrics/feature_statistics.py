"""Statistics of features that need no labels: standard deviation and effective rank, which fall in a collapse."""

import torch
from torch import Tensor
from torch.nn import functional as F


def feature_std(features: Tensor) -> float:
    """Standard deviation of L2-normalised features [images, dimensions], averaged over dimensions.

    About 1/sqrt(dimensions) if directions spread over the sphere, 0 if all images share one direction.
    """
    return float(F.normalize(features, dim=1).std(dim=0, correction=0).mean())


def effective_rank(features: Tensor, *, chunk: int = 8192) -> float:
    """RankMe (arXiv:2210.02885): exp of the entropy of the singular values, normalised to sum 1.

    The result is between 1 (all features on one line) and the smaller side of `features` [images, dimensions]. As in
    the paper, features are not centered. The paper adds 1e-7 to each share to avoid log 0; `entr` needs no such term,
    which would raise the rank by less than 0.2 percent in up to 1,000 dimensions. All-zero features have rank 0.
    """
    tall = features if features.shape[0] >= features.shape[1] else features.T
    gram = torch.zeros(tall.shape[1], tall.shape[1], dtype=torch.float64, device=features.device)
    for start in range(0, len(tall), chunk):
        rows = tall[start : start + chunk].double()
        gram += rows.T @ rows
    singular_values = torch.linalg.eigvalsh(gram).clamp(min=0).sqrt()
    total = singular_values.sum()
    if total == 0:
        return 0.0
    shares = singular_values / total
    return float(torch.special.entr(shares).sum().exp())
