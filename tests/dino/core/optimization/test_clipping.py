"""Clipping by hand."""

import pytest
import torch

from dino_pipeline.dino.core.optimization.clipping import clip_each_gradient


def test_only_gradients_longer_than_the_limit_are_scaled() -> None:
    long, short = torch.tensor([3.0, 4.0]), torch.tensor([[0.1, 0.2]])
    norm = clip_each_gradient([long, short], max_norm=1.0)
    torch.testing.assert_close(long, torch.tensor([0.6, 0.8]))
    torch.testing.assert_close(short, torch.tensor([[0.1, 0.2]]))
    assert norm.item() == pytest.approx((25 + 0.05) ** 0.5)


def test_a_limit_of_zero_clips_nothing() -> None:
    gradient = torch.tensor([3.0, 4.0])
    clip_each_gradient([gradient], max_norm=0.0)
    torch.testing.assert_close(gradient, torch.tensor([3.0, 4.0]))
