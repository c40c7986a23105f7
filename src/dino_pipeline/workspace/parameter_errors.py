"""Describe wrong parameters, one line each: the full name, the value, and the allowed values."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import is_dataclass
from typing import Any

from kedro.validation.type_extractor import TypeExtractor
from pydantic import TypeAdapter, ValidationError

_LONGEST_VALUE = 80  # characters
_UNKNOWN = "unexpected_keyword_argument"
_MISSING = {"missing", "missing_argument", "missing_keyword_only_argument"}


def parameter_errors(parameters: Mapping[str, Any], pipelines: Mapping[str, Any]) -> list[str]:
    """The error lines for all groups of parameters that the pipelines' nodes validate; empty without errors.

    Kedro's own report wraps pydantic's text, cuts it, and does not suggest a name for an unknown one.
    """
    lines = []
    for group, cls in TypeExtractor(dict(pipelines)).extract_types_from_pipelines().items():
        if group in parameters and is_dataclass(cls):
            lines += group_errors(group, cls, parameters[group])
    return lines


def group_errors(group: str, cls: type, values: Any) -> list[str]:
    """The error lines for one group, such as `pretrain`, with the configuration class `cls`."""
    if not isinstance(values, Mapping):
        return [f"{group} is {_shown(values)}: give a group of parameters, such as {group}: {{name: value}}"]
    try:
        TypeAdapter(cls).validate_python(dict(values))
    except ValidationError as error:
        return list(_lines(group, values, error))
    return []


def nearest(name: str, known: Sequence[str]) -> str:
    """Suggest a fix for an unknown name."""
    close = difflib.get_close_matches(name, known, n=1)
    return f"did you mean {close[0]}?" if close else f"remove it; there are {', '.join(known)}"


def _lines(group: str, values: Mapping[str, Any], error: ValidationError) -> Iterator[str]:
    details = error.errors(include_url=False)
    unknown = {detail["loc"] for detail in details if detail["type"] == _UNKNOWN}
    # pydantic reports one error per type of a union: join them in one line with all allowed types.
    asked: dict[str, list[str]] = {}
    found: dict[str, str] = {}
    quoted: dict[str, str] = {}
    for detail in details:
        location, kind = detail["loc"], detail["type"]
        name, here, around = _place(group, values, location)
        if kind == _UNKNOWN:
            known = [str(other) for other in around if (*location[:-1], other) not in unknown]
            yield (
                f"{name} is {_shown(here)}, but there is no such parameter: {nearest(str(location[-1]), known)}"
            )
        elif kind in _MISSING:
            yield f"{name} is missing: set it in the recipe, or leave its group to conf/base"
        elif kind == "value_error":
            yield _in_full(group, name, here, str(detail["ctx"]["error"]))
        else:
            asked.setdefault(name, []).append(_remedy(kind, detail["msg"]))
            found[name] = _shown(here)
            if kind == "string_type" and isinstance(here, bool | int | float):
                quoted[name] = f"; a name that looks like a number needs quotes: \"{name}='{here}'\""
    for name, remedies in asked.items():
        if not any(other.startswith((f"{name}.", f"{name}[")) for other in asked):
            yield f"{name} is {found[name]}: {', or '.join(dict.fromkeys(remedies))}{quoted.get(name, '')}"


def _place(group: str, values: Any, location: Sequence[str | int]) -> tuple[str, Any, Any]:
    """The dotted name, the value there, and the object that contains it.

    pydantic's location contains a union's names for its types. They are left out of the dotted name.
    """
    name, here, around = group, values, values
    for step in location:
        if isinstance(here, Mapping):
            name, here, around = f"{name}.{step}", here.get(step), here
        elif isinstance(step, int) and isinstance(here, Sequence):
            name, here, around = f"{name}[{step}]", here[step], here
    return name, here, around


def _in_full(group: str, name: str, values: Any, text: str) -> str:
    """The message of a class about its own fields, with the full name where the message begins with a field."""
    first = text.split()[0]
    if first.startswith(f"{group}."):
        return text
    is_field = isinstance(values, Mapping) and first.partition(".")[0] in values
    return f"{name}.{text}" if is_field else f"{name}: {text}"


def _remedy(kind: str, message: str) -> str:
    if kind == "path_not_file":
        return "there is no such file; give one that exists, or null"
    if kind == "dataclass_type":
        return "give a group of parameters, name: value"
    text = message.replace("valid tuple", "list").replace(" after validation, not ", ", and it has ")
    return text[0].lower() + text[1:]


def _shown(value: Any) -> str:
    if value is None:
        return "null"
    text = " ".join(repr(value).split())
    return text if len(text) <= _LONGEST_VALUE else text[:_LONGEST_VALUE] + "..."
