"""alpha-ReQ against numpy's weighted fit, and spectra whose exponent is known."""

import numpy as np
import pytest
import torch

from dino_pipeline.dino.metrics.power_law import power_law_exponent


def with_spectrum(eigenvalues, num_images=200):
    """Features whose covariance has exactly these eigenvalues, around a mean that is not zero."""
    random = np.random.default_rng(0)
    raw = random.normal(size=(num_images, len(eigenvalues)))
    orthogonal, _ = np.linalg.qr(raw - raw.mean(axis=0))
    rotation, _ = np.linalg.qr(random.normal(size=(len(eigenvalues), len(eigenvalues))))
    return torch.from_numpy(orthogonal * np.sqrt(num_images * np.asarray(eigenvalues)) @ rotation + 5.0)


@pytest.mark.parametrize("alpha", [0.5, 1.0, 2.5])
def test_the_exponent_of_a_power_law_is_found(alpha):
    features = with_spectrum(np.arange(1.0, 41) ** -alpha)
    assert power_law_exponent(features, first_rank=4, last_rank=30) == pytest.approx(alpha, rel=1e-6)


def test_it_equals_numpys_weighted_fit_in_the_range():
    features = np.random.default_rng(1).normal(size=(300, 30)) * np.exp(-np.arange(30) / 9)
    eigenvalues = np.sort(np.linalg.eigvalsh(np.cov(features.T, bias=True)))[::-1]
    ranks = np.arange(3, 21)
    # polyfit multiplies residuals by w before it squares them
    slope, _ = np.polyfit(np.log(ranks), np.log(eigenvalues[2:20]), 1, w=ranks**-0.5)
    found = power_law_exponent(torch.from_numpy(features), first_rank=3, last_rank=20, chunk=37)
    assert found == pytest.approx(-slope, rel=1e-9)


def test_the_range_ends_where_the_features_fill_no_more_dimensions():
    eigenvalues = np.concatenate([np.arange(1.0, 11) ** -1.5, np.zeros(20)])
    features = with_spectrum(eigenvalues)
    assert power_law_exponent(features, first_rank=2, last_rank=100) == pytest.approx(1.5, rel=1e-6)


def test_without_two_eigenvalues_in_the_range_there_is_no_exponent():
    features = torch.outer(torch.arange(9.0), torch.tensor([3.0, -1.0, 2.0]))
    assert power_law_exponent(features, first_rank=1, last_rank=3) is None
    assert power_law_exponent(torch.ones(9, 3), first_rank=1, last_rank=3) is None
