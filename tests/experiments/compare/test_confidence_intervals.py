"""Intervals against naive formulas, and what each of them counts."""

import numpy as np
import pytest
import torch
from scipy import stats

from dino_pipeline.dino.metrics.bootstrap import bootstrap_mean
from dino_pipeline.experiments.compare.confidence_intervals import row_accuracy

RNG = np.random.default_rng(0)


def hits(*shares: float, num_images: int = 200) -> list[torch.Tensor]:
    return [torch.from_numpy(RNG.random(num_images) < share) for share in shares]


def test_the_bootstrap_of_a_mean_is_that_of_drawing_image_by_image() -> None:
    values = torch.stack(hits(0.5, 0.6, 0.9)).double().mean(dim=0)
    found = bootstrap_mean(values)
    drawn = RNG.choice(values.numpy(), size=(20_000, len(values))).mean(axis=1)
    assert found.mean == pytest.approx(float(values.mean()))
    assert [found.low, found.high] == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.004)


def test_images_that_all_agree_leave_no_doubt_over_images() -> None:
    assert bootstrap_mean(torch.ones(50)) == (1, 1, 1)


def test_the_interval_over_seeds_is_students() -> None:
    correct = hits(0.5, 0.55, 0.7)
    accuracies = [float(one.double().mean()) for one in correct]
    found = row_accuracy(correct, None).over_seeds
    low, high = stats.t.interval(0.95, 2, loc=np.mean(accuracies), scale=stats.sem(accuracies))
    assert found is not None
    assert [found.low, found.high] == pytest.approx([low, high], rel=1e-9)


def test_one_seed_has_the_interval_over_images_alone() -> None:
    found = row_accuracy(hits(0.5), None)
    assert found.over_seeds is None
    assert found.intervals == [found.over_images]


def test_a_gain_over_random_initialisation_is_taken_image_by_image() -> None:
    random = torch.tensor([True] * 90 + [False] * 110)
    better = random.clone()
    better[90:100] = True  # the same images and ten more
    found = row_accuracy([better], [random])
    gain = found.over_random
    assert gain is not None
    assert gain.difference == pytest.approx(0.05)
    assert gain.low > 0, "paired, the gain is certain"
    assert found.over_images.low < 0.5 < found.over_images.high, (
        "unpaired, it would drown in the images' own noise"
    )
