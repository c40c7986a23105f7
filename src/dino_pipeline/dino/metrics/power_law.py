"""alpha-ReQ (Agrawal et al., NeurIPS 2022): how fast the eigenvalues of the features' covariance fall.

The n-th largest is taken to be proportional to n^-alpha. Features that transfer well were found near alpha = 1; above
it a few directions hold all variance, below it noise fills many.
"""

import torch
from torch import Tensor

# Relative to the largest; what lies below is rounding of features that fill fewer dimensions.
_SMALLEST_EIGENVALUE = 1e-12


def power_law_exponent(
    features: Tensor, *, first_rank: int, last_rank: int, chunk: int = 8192
) -> float | None:
    """alpha, by least squares of log eigenvalue on log rank from `first_rank` to `last_rank`, 1 the largest.

    Ranks weigh 1/rank, as in Stringer et al. 2019 and the authors' code, so that equal stretches of the logarithmic
    axis count alike. The range ends earlier where the features fill fewer dimensions.

    Args:
        features: [images, dimensions].
        chunk: rows multiplied at a time, which bounds memory.

    Returns:
        alpha, None where fewer than two eigenvalues lie in the range.
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
