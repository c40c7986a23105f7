"""Cluster balance against scipy's entropy and cases worked by hand."""

import numpy as np
import pytest
import torch
from scipy.stats import entropy

from dino_pipeline.dino.evaluation.data_quality.report import cluster_balance


def test_sizes_are_told_by_shares_and_entropy():
    assignments = torch.tensor([0] * 6 + [1] * 3 + [2])
    assert cluster_balance(assignments) == {
        "num_clusters": 3,
        "smallest_share": pytest.approx(0.1),
        "largest_share": pytest.approx(0.6),
        "relative_entropy": pytest.approx(entropy([6, 3, 1]) / np.log(3)),
    }


def test_equal_sizes_have_relative_entropy_one_and_a_single_cluster_none():
    assert cluster_balance(torch.arange(4).repeat(5))["relative_entropy"] == pytest.approx(1)
    assert cluster_balance(torch.zeros(5, dtype=torch.int64))["relative_entropy"] == 0
