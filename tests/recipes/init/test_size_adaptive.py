"""The rules at their corners and at points worked out by hand."""

import pytest

from dino_pipeline.recipes.init import size_adaptive as rules


@pytest.mark.parametrize(
    ("num_images", "prototypes"),
    [
        (500, 1024),
        (19_999, 1024),
        (20_000, 2048),
        (60_000, 4096),
        (199_999, 16384),
        (499_999, 32768),
        (1_281_167, 65536),
    ],
)
def test_prototypes_grow_with_the_images(num_images: int, prototypes: int) -> None:
    assert rules.num_prototypes(num_images) == prototypes


def test_temperatures_and_momentum_are_lines_between_few_images_and_imagenet() -> None:
    half = 20_000 + (1_281_167 - 20_000) // 2
    assert [rules.teacher_temperature(n) for n in (100, 20_000, half, 1_281_167, 10**8)] == [
        0.02,
        0.02,
        0.045,
        0.07,
        0.07,
    ]
    assert [rules.first_teacher_temperature(n) for n in (100, half, 1_281_167)] == [0.02, 0.03, 0.04]
    assert [rules.teacher_momentum(n) for n in (100, half, 1_281_167)] == [0.99, 0.993, 0.996]


def test_twenty_million_images_are_seen_in_100_to_2000_epochs() -> None:
    assert [rules.most_epochs(n) for n in (500, 10_000, 50_000, 100_000, 200_000, 1_281_167)] == [
        2000,
        2000,
        400,
        200,
        100,
        100,
    ]


def test_warm_ups_are_steps_but_never_more_than_their_share() -> None:
    steps, at_most = rules.LEARNING_RATE_WARMUP
    assert rules.warmup_fraction(steps, 125_100, at_most=at_most) == 0.0999
    assert rules.warmup_fraction(steps, 1_000, at_most=at_most) == 0.1
    # the published ViT-S: 10 of 800 epochs
    assert rules.warmup_fraction(steps, 1_000_800, at_most=at_most) == 0.0125


def test_batches_are_halved_until_an_epoch_has_sixteen() -> None:
    assert [rules.batch_size(n, largest=64) for n in (50, 518, 1024, 10**6)] == [8, 32, 64, 64]
    assert rules.batch_size(10**6, largest=1024) == 1024


@pytest.mark.parametrize(
    ("side", "has_gpu", "expected"),
    [
        (8, False, (16, 8, 4)),
        (28, False, (28, 12, 4)),
        (32, True, (32, 16, 4)),
        (64, True, (64, 32, 8)),
        (400, False, (64, 32, 8)),
        (160, True, (128, 64, 8)),
        (400, True, (224, 96, 16)),
    ],
)
def test_crops_fit_the_images_and_the_hardware(
    side: int, has_gpu: bool, expected: tuple[int, int, int]
) -> None:
    size, local, patch = rules.crop_sizes(side, has_gpu=has_gpu)
    assert (size, local, patch) == expected
    assert size % patch == local % patch == 0


def test_blur_is_the_papers_at_224_px() -> None:
    assert rules.blur_radius(224) == (0.1, 2.0)
    assert rules.blur_radius(64) == (0.1, 0.57)
    assert rules.blur_radius(28) == (0.1, 0.3)
