"""Views are functions of seed, epoch and image."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from dino_pipeline.dino.core.data.images_config import ImagesConfig
from dino_pipeline.dino.evaluation.fine_tune.views import ViewDataset, mixed, view_loader
from dino_pipeline.dino.features.evaluation_transform import EvaluationDataset
from dino_pipeline.dino.features.evaluation_transform_config import EvaluationTransformConfig

RGB = ImagesConfig(channels=3, bits=8)


def batches(dataset, num_workers=0, epochs=2):
    return list(view_loader(dataset, batch_size=10, epochs=epochs, num_workers=num_workers))


def test_any_number_of_workers_gives_the_same_whole_batches(easy, config):
    dataset = ViewDataset(easy.manifest.split("train"), RGB, config.view, size=16, seed=0)
    alone, helped = batches(dataset), batches(dataset, num_workers=2)
    assert len(alone) == len(helped) == 2 * 4  # of 48 images 8 are left over in each epoch
    for (crops, positions), (other_crops, other_positions) in zip(alone, helped, strict=True):
        assert torch.equal(crops, other_crops)
        assert torch.equal(positions, other_positions)


def test_an_epoch_shows_each_image_once_and_another_in_another_order(easy, config):
    dataset = ViewDataset(easy.manifest.split("train"), RGB, config.view, size=16, seed=0)
    order = torch.cat([positions for _, positions in batches(dataset)]).view(2, 40)
    assert all(len(set(epoch.tolist())) == 40 for epoch in order)
    assert order[0].tolist() != order[1].tolist()


def test_without_augmentation_a_view_is_the_evaluations_crop(easy, config):
    plain = replace(config.view, crop_scale=(1.0, 1.0), flip_probability=0.0)
    images = easy.manifest.split("val")
    transform = EvaluationTransformConfig(resize=16, crop=16, images=RGB, mean=(0.5,) * 3, std=(0.2,) * 3)
    whole = ViewDataset(images, RGB, plain, size=16, seed=0)
    mirrored = ViewDataset(images, RGB, replace(plain, flip_probability=1.0), size=16, seed=0)
    expected = EvaluationDataset(images, transform)
    # A full square is one of the ten rectangles tried; others are not whole.
    same = [p for p in range(15) if torch.equal(whole[0, p][0], expected[p])]
    assert same
    assert all(torch.equal(mirrored[0, p][0], expected[p].flip(-1)) for p in same)


def test_rand_augment_is_addressed_and_leaves_torchs_generator_alone(easy, config):
    augmenting = replace(config.view, rand_augment_operations=2)
    dataset = ViewDataset(easy.manifest.split("val"), RGB, augmenting, size=16, seed=0)
    plain = ViewDataset(easy.manifest.split("val"), RGB, config.view, size=16, seed=0)
    before = torch.get_rng_state()
    views = [dataset[1, position][0] for position in range(15)]
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(view, dataset[1, position][0]) for position, view in enumerate(views))
    assert any(not torch.equal(view, plain[1, position][0]) for position, view in enumerate(views))


def test_rand_augment_refuses_images_that_are_not_8_bit_rgb(easy, config):
    augmenting = replace(config.view, rand_augment_operations=2)
    with pytest.raises(
        ValueError, match=r"rand_augment_operations is 2.* 1 channels of 16 bits: set it to 0"
    ):
        ViewDataset(easy.manifest, ImagesConfig(channels=1, bits=16), augmenting, size=16, seed=0)


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
