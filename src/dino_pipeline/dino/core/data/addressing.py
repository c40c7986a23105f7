"""Addressed randomness: a random draw depends only on the address at which it is used.

Philox is a counter-based generator (Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3"): seed and
domain are its key, the address is its counter. So views and masks are the same for any number of workers or
processes, in any order, and after any resume.
"""

from enum import IntEnum

import numpy as np


class Domain(IntEnum):
    """The purpose of a random stream. Two domains never share numbers."""

    ORDER = 1
    VIEW = 2
    DROP_PATH = 3
    PROBE_ORDER = 4
    PROBE_VIEW = 5
    LABELLED = 6  # which images' labels an evaluation may use
    FINE_TUNE_ORDER = 7
    FINE_TUNE_VIEW = 8
    FINE_TUNE_MIX = 9
    FINE_TUNE_START = 10
    STATISTICS = 11
    REPLACEMENT = 12


def generator_at(seed: int, domain: Domain, *address: int) -> np.random.Generator:
    """A generator for an address of up to three non-negative integers, e.g. (epoch, image, view)."""
    assert len(address) <= 3
    # The lowest word of the counter advances with the draws made at this address.
    counter = [0, *address, *[0] * (3 - len(address))]
    return np.random.Generator(np.random.Philox(key=[seed, int(domain)], counter=counter))
