"""What a spec.json or model.json of before means where it lacks a field of today: one table for all that are read."""

from collections.abc import Mapping
from typing import Any

# Dotted name of the field in spec.json: the value that files without it were trained with. Add a line with each new
# field of PretrainConfig, MonitoringConfig or LaunchConfig.
LATER_FIELDS: Mapping[str, Any] = {}


def completed(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The values of a spec.json, or a part of them such as `{"pretrain": ...}`, with the fields that came later."""
    values = _copy(spec)
    for name, value in LATER_FIELDS.items():
        first, *groups, field = name.split(".")
        if first not in values:
            continue
        group = values[first]
        for key in groups:
            # A group may be null, such as the architecture of a teacher that is none.
            group = group.setdefault(key, {}) if group is not None else None
        if group is not None:
            group.setdefault(field, value)
    return values


def _copy(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _copy(value) if isinstance(value, Mapping) else value for name, value in values.items()}
