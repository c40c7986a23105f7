"""Where a model comes from, as far as its bytes decide it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_ABSENT = "-"


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A training parameter that is not the base's; `is_own` where it is not the recipe's either, nor measured."""

    name: str
    base: str
    recipe: str
    value: str
    is_own: bool


def differences(
    model: Mapping[str, Any], *, base: Mapping[str, Any], recipe: Mapping[str, Any]
) -> list[Difference]:
    """The model's parameters beside those of conf/base and of its recipe, where they are not all the same."""
    flat, flat_base, flat_recipe = _flat(model), _flat(base), _flat(recipe)
    return [
        Difference(
            name=name,
            base=_text(flat_base, name),
            recipe=_text(flat_recipe, name),
            value=_text(flat, name),
            is_own=flat.get(name) != flat_recipe.get(name) and flat_recipe.get(name) != "measured",
        )
        for name in sorted(flat.keys() | flat_recipe.keys())
        if not flat.get(name) == flat_recipe.get(name) == flat_base.get(name)
    ]


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, Mapping):
            flat.update(_flat(value, f"{prefix}{key}."))
        else:
            flat[prefix + key] = list(value) if isinstance(value, tuple) else value
    return flat


def _text(flat: Mapping[str, Any], name: str) -> str:
    if name not in flat:
        return _ABSENT
    value = flat[name]
    return f"{value:g}" if isinstance(value, float) else str(value)
