"""Random numbers by address."""

import numpy as np
import pytest

from dino_pipeline.dino.core.data.addressing import Domain, generator_at


def draws(seed: int, domain: Domain, *address: int) -> tuple[float, ...]:
    return tuple(generator_at(seed, domain, *address).random(4))


def test_the_same_address_gives_the_same_numbers() -> None:
    assert draws(7, Domain.VIEW, 3, 5, 1) == draws(7, Domain.VIEW, 3, 5, 1)


@pytest.mark.parametrize(
    "other",
    [
        (8, Domain.VIEW, 3, 5, 1),
        (7, Domain.ORDER, 3, 5, 1),
        (7, Domain.VIEW, 4, 5, 1),
        (7, Domain.VIEW, 3, 5, 2),
    ],
)
def test_another_seed_domain_or_address_gives_others(other: tuple[int, Domain, int, int, int]) -> None:
    assert not set(draws(*other)) & set(draws(7, Domain.VIEW, 3, 5, 1))


def test_numbers_of_neighbouring_addresses_are_uniform_and_uncorrelated() -> None:
    first = np.array([generator_at(0, Domain.VIEW, 0, row, 0).random(2) for row in range(4000)])
    assert abs(first.mean() - 0.5) < 0.02
    assert abs(np.corrcoef(first[:-1, 0], first[1:, 0])[0, 1]) < 0.05
    assert abs(np.corrcoef(first.T)[0, 1]) < 0.05
