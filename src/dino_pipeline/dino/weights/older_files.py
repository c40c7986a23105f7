"""Values for fields that older files lack: one table for spec.json, model.json and recipes."""

from collections.abc import Mapping
from typing import Any

from dino_pipeline.dino.core.losses.config import OLD_NAMES

# Dotted name of the field, as in conf/base and spec.json, to the value that matches trainings without it. Each new
# field of a class with a group in conf/base (PretrainConfig, MonitoringConfig, LaunchConfig, ...) gets a line here.
LATER_FIELDS: Mapping[str, Any] = {
    "pretrain.loss.options": {},
    "pretrain.loss.coding_rate_weight": 0.0,
    "pretrain.loss.coding_rate_epsilon": 0.2,
    "ingest.group": None,
    "ingest.archive_encoding": None,
    "launch.stall_minutes": 10,
    "ingest.columns": {},
    "ingest.splits": {},
    "model.prefix": None,
}
# Dotted name of the field to its renamed values: old name to new name.
RENAMED_VALUES: Mapping[str, Mapping[str, str]] = {"pretrain.loss.name": OLD_NAMES}


def completed(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of the values with the missing later fields added.

    Args:
        spec: from a spec.json or a recipe, or a part such as `{"pretrain": ...}`. Missing groups stay missing.
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
    """The group that contains the field of a dotted name, and the field's own name.

    The group is None if the values lack it, as for an imported model, or if it is null, such as the backbone of a
    teacher that is not frozen. A group that was added later is a field of the group around it.
    """
    *groups, field = name.split(".")
    group: dict[str, Any] | None = values
    for key in groups:
        group = group.get(key) if group is not None else None
        if not isinstance(group, dict):  # a mistake of the file's writer, which the typed parameters refuse
            return None, field
    return group, field


def _copy(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _copy(value) if isinstance(value, Mapping) else value for name, value in values.items()}
