"""Mixed batches: what is mixed shows in the labels, and draws are addressed."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from dino_pipeline.dino.evaluation.fine_tune.views import mixed

LABELS = torch.arange(4)


def batch():
    """Image i holds i + 1 everywhere, so that a pixel's value says of which images it is made."""
    return (torch.arange(4.0) + 1).view(4, 1, 1, 1).repeat(1, 3, 8, 8)


def mix(config, step=0):
    return mixed(batch(), LABELS, config, num_classes=4, seed=0, step=step)


@pytest.mark.parametrize("alphas", [{"mixup_alpha": 0.8, "cutmix_alpha": 0.0}, {"mixup_alpha": 0.0}])
def test_labels_hold_the_shares_that_the_pixels_have(config, alphas):
    only = replace(config.mix, probability=1.0, label_smoothing=0.0, **alphas)
    for step in range(5):
        images, targets = mix(only, step)
        # Image 0 is mixed with image 3, whose pixels are 4.
        share = (4 - images[0].mean()) / 3
        torch.testing.assert_close(targets[0], torch.tensor([share, 0, 0, 1 - share]), atol=1e-5, rtol=0)


def test_a_step_mixes_again_as_it_did_and_another_otherwise_and_numpys_state_stays(config):
    always = replace(config.mix, probability=1.0)
    np.random.seed(1)
    before = np.random.get_state()[1].tolist()
    first, second, other = mix(always, 3), mix(always, 3), mix(always, 4)
    assert np.random.get_state()[1].tolist() == before
    assert torch.equal(first[0], second[0])
    assert not torch.equal(first[0], other[0])


@pytest.mark.parametrize("off", [{"mixup_alpha": 0.0, "cutmix_alpha": 0.0}, {"probability": 0.0}])
def test_without_mixing_labels_are_only_smoothed(config, off):
    images, targets = mix(replace(config.mix, **off))
    assert torch.equal(images, batch())
    torch.testing.assert_close(targets, torch.eye(4) * 0.9 + 0.025)
