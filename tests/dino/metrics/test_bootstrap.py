"""The bootstrap of a mean: of images as before there were groups, and of whole groups against one drawn by hand."""

import numpy as np
import pytest
import torch

from dino_pipeline.dino.metrics.bootstrap import USUAL, bootstrap_mean, group_ids


def test_groups_are_numbered_as_they_occur_and_images_without_one_stand_alone() -> None:
    assert group_ids(["b", None, "a", "b", None]).tolist() == [0, 1, 2, 0, 3]


def test_images_without_groups_have_the_very_numbers_of_the_draw_by_occurring_values() -> None:
    values = torch.randint(0, 4, (500,), generator=torch.Generator().manual_seed(0)).double() / 3
    occurring, counts = torch.unique(values, return_counts=True)
    draws = np.random.default_rng(0).multinomial(500, counts.numpy() / 500, size=USUAL.num_resamples)
    expected = np.quantile(draws @ occurring.numpy() / 500, [0.025, 0.975]).tolist()
    for groups in (None, [None] * 500, [str(image) for image in range(500)]):
        assert [*bootstrap_mean(values, groups=groups)][1:] == expected


def test_a_resample_is_of_whole_groups() -> None:
    rng = np.random.default_rng(1)
    sizes = rng.integers(1, 8, 60)
    groups = np.repeat(np.arange(60), sizes)
    values = (rng.random(len(groups)) < np.repeat(rng.random(60), sizes)).astype(float)
    found = bootstrap_mean(torch.from_numpy(values), groups=[f"group {group}" for group in groups])
    means = []
    for _ in range(4000):
        drawn = np.concatenate([values[groups == group] for group in rng.integers(0, 60, 60)])
        means.append(drawn.mean())
    assert found.mean == pytest.approx(values.mean())
    assert found.low == pytest.approx(np.quantile(means, 0.025), abs=0.01)
    assert found.high == pytest.approx(np.quantile(means, 0.975), abs=0.01)
    alone = bootstrap_mean(torch.from_numpy(values))
    assert found.high - found.low > 1.2 * (alone.high - alone.low), (
        "images of a group say less than as many others"
    )


def test_copies_in_a_group_count_once() -> None:
    once = torch.tensor([1.0, 0.0, 0.0, 1.0, 1.0])
    assert bootstrap_mean(
        once.repeat_interleave(4), groups=[str(i // 4) for i in range(20)]
    ) == bootstrap_mean(once)
