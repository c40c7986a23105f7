"""A value of the recipe, and why it is so."""

from typing import Any, NamedTuple


class Choice(NamedTuple):
    """A parameter, its value, and why; no sentence where the one before says it."""

    key: str
    value: Any
    why: str = ""
