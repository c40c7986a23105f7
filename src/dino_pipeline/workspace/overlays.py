"""Values by dotted name, `pretrain.epochs: 3`, laid over nested parameters."""

from collections.abc import Mapping
from typing import Any


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """`{"a.b": 1}` as `{"a": {"b": 1}}`.

    Raises:
        ValueError: one name is a value and also the group of another.
    """
    tree: dict[str, Any] = {}
    for name, value in values.items():
        *groups, last = name.split(".")
        place = tree
        for group in groups:
            place = place.setdefault(group, {})
            if not isinstance(place, dict):
                raise ValueError(f"{name} lies inside {group}, which has a value of its own")
        place[last] = value
    return tree


def overlaid(parameters: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Nested parameters with values by dotted name above them; neither argument is changed.

    A group is merged key by key. Names are not judged here: the typed parameters refuse those they do not know.
    """
    return merged(parameters, nested(values))


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Nested values with others above them, key by key; neither argument is changed."""
    result = dict(below)
    for key, value in above.items():
        both_groups = isinstance(value, Mapping) and isinstance(below.get(key), Mapping)
        result[key] = merged(below[key], value) if both_groups else value
    return result
