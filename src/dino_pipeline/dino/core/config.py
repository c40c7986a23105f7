"""Configuration classes: immutable, keyword-only, typed, and deaf to no misspelling."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, dataclass_transform

from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True)
def frozen(cls: type[T]) -> type[T]:
    """Make a configuration class: frozen, keyword-only, its values checked, unknown keys refused.

    Fields have no defaults: a value in force that stands in no file is one that nobody can look up, compare or tune.
    """
    config = ConfigDict(extra="forbid", allow_inf_nan=False)
    decorate: Callable[[type[T]], type[T]] = dataclass(frozen=True, kw_only=True, config=config)  # type: ignore[assignment]
    return decorate(cls)


def from_dict(cls: type[T], values: Mapping[str, Any]) -> T:
    """Build a configuration, nested groups included.

    Raises:
        pydantic.ValidationError: names every key that is unknown, missing or out of range.
    """
    return TypeAdapter(cls).validate_python(values)


def to_dict(config: object) -> dict[str, Any]:
    """The configuration as plain JSON-ready values, as a checkpoint or an experiment tracker stores it."""
    values: dict[str, Any] = TypeAdapter(type(config)).dump_python(config, mode="json")
    return values
