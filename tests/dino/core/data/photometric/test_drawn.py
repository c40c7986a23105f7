"""What is drawn for a crop: the paper's shares and ranges, the same whatever carries it out."""

from dataclasses import replace

import numpy as np
import pytest

from dino_pipeline.dino.core.data.addressing import Domain, generator_at
from dino_pipeline.dino.core.data.multi_crop_config import ViewConfig
from dino_pipeline.dino.core.data.photometric.drawn import Drawn, Jitter, as_row, draw

VIEW = ViewConfig(
    flip_probability=0.5,
    jitter_probability=0.8,
    brightness=0.4,
    contrast=0.3,
    saturation=0.2,
    hue=0.1,
    grayscale_probability=0.2,
    blur_probability=0.1,
    blur_radius=(0.1, 2.0),
    solarize_probability=0.3,
)


@pytest.fixture(scope="module")
def draws() -> list[Drawn]:
    return [draw(VIEW, generator_at(0, Domain.VIEW, index)) for index in range(2000)]


def test_each_operation_is_drawn_as_often_as_its_probability_says(draws: list[Drawn]) -> None:
    shares = [
        np.mean([bool(getattr(drawn, name)) for drawn in draws])
        for name in ("flip", "jitter", "grayscale", "blur_sigma", "solarize")
    ]
    np.testing.assert_allclose(shares, [0.5, 0.8, 0.2, 0.1, 0.3], atol=0.04)  # 3.5 standard errors


def test_strengths_fill_their_ranges_and_the_jitter_comes_in_every_order(draws: list[Drawn]) -> None:
    jitters = [drawn.jitter for drawn in draws if drawn.jitter]
    for name, centre, amount in (
        ("brightness", 1, 0.4),
        ("contrast", 1, 0.3),
        ("saturation", 1, 0.2),
        ("hue", 0, 0.1),
    ):
        values = [getattr(jitter, name) for jitter in jitters]
        assert min(values) == pytest.approx(centre - amount, abs=0.01)
        assert max(values) == pytest.approx(centre + amount, abs=0.01)
        assert np.mean(values) == pytest.approx(centre, abs=0.03)
    sigmas = [drawn.blur_sigma for drawn in draws if drawn.blur_sigma]
    assert 0.1 <= min(sigmas) < 0.2 < 1.9 < max(sigmas) <= 2.0
    assert len({tuple(jitter.order) for jitter in jitters}) == 24


def test_what_does_not_happen_takes_no_numbers_of_what_follows() -> None:
    """The order of draws is part of a view's definition: strengths are drawn only where they are needed."""
    rng = generator_at(3, Domain.VIEW)
    drawn = draw(replace(VIEW, flip_probability=1, jitter_probability=0, blur_probability=0), rng)
    assert (drawn.flip, drawn.jitter, drawn.blur_sigma) == (True, None, None)
    after = generator_at(3, Domain.VIEW)
    after.random(5)  # flip, jitter, greyscale, blur, solarize
    assert rng.random() == after.random()


def test_a_row_holds_what_was_drawn() -> None:
    jitter = Jitter(brightness=0.9, contrast=1.1, saturation=1.2, hue=-0.1, order=[2, 0, 3, 1])
    row = as_row(Drawn(flip=True, jitter=jitter, grayscale=False, blur_sigma=1.5, solarize=True))
    assert [float(value) for value in row] == [1, 0.9, 1.1, 1.2, -0.1, 2, 0, 3, 1, 0, 1.5, 1]
    assert row.blur_sigma == 1.5
    nothing = as_row(Drawn(flip=False, jitter=None, grayscale=False, blur_sigma=None, solarize=False))
    assert (nothing.brightness, nothing.contrast, nothing.saturation, nothing.hue) == (1, 1, 1, 0)
    assert nothing.blur_sigma == 0
