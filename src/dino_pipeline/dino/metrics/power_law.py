"""alpha-ReQ (Agrawal et al., NeurIPS 2022): how fast the eigenvalues of the features' covariance decay.

The model is that the n-th largest eigenvalue is proportional to n^-alpha. In the paper, features that transfer well
have alpha near 1; above, a few directions hold all variance; below, noise fills many.
"""

import torch
from torch import Tensor

# Relative to the largest. Smaller ones are rounding errors of features that fill fewer dimensions.
_SMALLEST_EIGENVALUE = 1e-12


def power_law_exponent(
    features: Tensor, *, first_rank: int, last_rank: int, chunk: int = 8192
) -> float | None:
    """Fit alpha by least squares of log eigenvalue on log rank from `first_rank` to `last_rank`; rank 1 is the largest.

    Rank n has weight 1/n, as in Stringer et al. 2019 and the authors' code, so that equal intervals on the logarithmic
    axis count equally. The range ends earlier if the features fill fewer dimensions.

    Args:
        features: [images, dimensions].
        chunk: rows multiplied at a time, which bounds memory.

    Returns:
        alpha; None if fewer than two eigenvalues are in the range.
    """
    eigenvalues = _covariance_spectrum(features, chunk)
    num_filled = int((eigenvalues > _SMALLEST_EIGENVALUE * eigenvalues[0]).sum())
    ranks = torch.arange(
        first_rank, min(last_rank, num_filled) + 1, dtype=torch.float64, device=features.device
    )
    if len(ranks) < 2:
        return None
    x, y = ranks.log(), eigenvalues[first_rank - 1 : first_rank - 1 + len(ranks)].log()
    weights = 1 / ranks / (1 / ranks).sum()
    x = x - (weights * x).sum()
    return float(-(weights * x * y).sum() / (weights * x * x).sum())


def _covariance_spectrum(features: Tensor, chunk: int) -> Tensor:
    mean = torch.stack([rows.double().sum(dim=0) for rows in features.split(chunk)]).sum(dim=0) / len(
        features
    )
    covariance = torch.zeros(len(mean), len(mean), dtype=torch.float64, device=features.device)
    for rows in features.split(chunk):
        centered = rows.double() - mean
        covariance += centered.T @ centered
    eigenvalues: Tensor = torch.linalg.eigvalsh(covariance / len(features))
    return eigenvalues.flip(0)
