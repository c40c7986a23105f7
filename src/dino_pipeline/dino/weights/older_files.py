"""What files of before mean where they lack a field of today: one table for spec.json, model.json and recipes."""

from collections.abc import Mapping
from typing import Any

from dino_pipeline.dino.core.losses.config import OLD_NAMES

# Dotted name of the field, as in conf/base and spec.json: the value that what lacks it was trained with. Each new field
# of a class that conf/base has a group for, such as PretrainConfig, MonitoringConfig or LaunchConfig, gets a line.
LATER_FIELDS: Mapping[str, Any] = {"pretrain.loss.options": {}, "ingest.group": None}
# Dotted name of the field: values of before, by what they are called now.
RENAMED_VALUES: Mapping[str, Mapping[str, str]] = {"pretrain.loss.name": OLD_NAMES}


def completed(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The values with the fields that came later.

    Args:
        spec: of a spec.json or a recipe, or a part such as `{"pretrain": ...}`; groups that it lacks stay away.
    """
    values = _copy(spec)
    for name, value in LATER_FIELDS.items():
        group, field = _group_of(name, values)
        if group is not None:
            group.setdefault(field, value)
    for name, names in RENAMED_VALUES.items():
        group, field = _group_of(name, values)
        if group is not None and field in group:
            group[field] = names.get(group[field], group[field])
    return values


def _group_of(name: str, values: dict[str, Any]) -> tuple[dict[str, Any] | None, str]:
    """The group that the field of a dotted name is in, and the field's own name.

    None where the values lack the group, as an imported model's do, or it is null, such as the architecture of a
    teacher that is none. A group that came later is a field of the group around it.
    """
    *groups, field = name.split(".")
    group: dict[str, Any] | None = values
    for key in groups:
        group = group.get(key) if group is not None else None
    return group, field


def _copy(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _copy(value) if isinstance(value, Mapping) else value for name, value in values.items()}
