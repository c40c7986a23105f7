"""One of the things that a model comes from."""

from typing import NamedTuple


class Part(NamedTuple):
    """What it is, for people, and whether it can still be had."""

    text: str
    is_obtainable: bool
