"""The bootstrap of paired answers, against one that draws image by image."""

import numpy as np
import pytest
import torch

from dino_pipeline.dino.metrics.paired_difference import paired_difference


def test_the_interval_is_that_of_resampled_images() -> None:
    rng = np.random.default_rng(1)
    before, after = rng.random(300) < 0.6, rng.random(300) < 0.7
    found = paired_difference(torch.from_numpy(before), torch.from_numpy(after))
    change = after.astype(int) - before.astype(int)
    resampled = [change[rng.integers(0, 300, 300)].mean() for _ in range(4000)]
    assert found.difference == pytest.approx(change.mean())
    assert found.low == pytest.approx(np.quantile(resampled, 0.025), abs=0.01)
    assert found.high == pytest.approx(np.quantile(resampled, 0.975), abs=0.01)


def test_what_answers_alike_does_not_differ() -> None:
    same = torch.tensor([True, False, True])
    assert paired_difference(same, same) == (0.0, 0.0, 0.0)
