"""Lay values by dotted name, such as `pretrain.epochs: 3`, over nested parameters."""

from collections.abc import Mapping
from typing import Any


def nested(values: Mapping[str, Any]) -> dict[str, Any]:
    """Turn `{"a.b": 1}` into `{"a": {"b": 1}}`.

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
                raise ValueError(f"{name} cannot be set: {group} is already set to a single value")
        place[last] = value
    return tree


def overlaid(parameters: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Nested parameters overridden by values by dotted name. Neither argument is changed.

    A group is merged key by key. Names are not checked here: the typed parameters refuse unknown ones.
    """
    return merged(parameters, nested(values))


def merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Merge nested values key by key; `above` wins. Neither argument is changed."""
    result = dict(below)
    for key, value in above.items():
        both_groups = isinstance(value, Mapping) and isinstance(below.get(key), Mapping)
        result[key] = merged(below[key], value) if both_groups else value
    return result
