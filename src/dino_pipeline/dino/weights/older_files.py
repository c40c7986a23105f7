"""What files of before mean where they lack a field of today: one table for spec.json, model.json and recipes."""

from collections.abc import Mapping
from typing import Any

# Dotted name of the field, as in conf/base and spec.json: the value that what lacks it was trained with. Each new field
# of a class that conf/base has a group for, such as PretrainConfig, MonitoringConfig or LaunchConfig, gets a line.
LATER_FIELDS: Mapping[str, Any] = {}


def completed(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The values with the fields that came later.

    Args:
        spec: of a spec.json or a recipe, or a part such as `{"pretrain": ...}`; groups that it lacks stay away.
    """
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
