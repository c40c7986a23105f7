"""Configuration classes: immutable, keyword-only, typed, and strict about unknown keys."""

from collections.abc import Callable, Mapping
from typing import Any, TypeVar, dataclass_transform

from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass

T = TypeVar("T")


@dataclass_transform(frozen_default=True, kw_only_default=True)
def frozen(cls: type[T]) -> type[T]:
    """Turn a class into a configuration class: frozen, keyword-only, with checked values; unknown keys are errors.

    Fields have no defaults, so that every value in force stands in a file, where it can be looked up and tuned.
    """
    config = ConfigDict(extra="forbid", allow_inf_nan=False)
    decorate: Callable[[type[T]], type[T]] = dataclass(frozen=True, kw_only=True, config=config)  # type: ignore[assignment]
    return decorate(cls)


def from_dict(cls: type[T], values: Mapping[str, Any]) -> T:
    """Build a configuration, including nested groups.

    Raises:
        pydantic.ValidationError: names every key that is unknown, missing or out of range.
    """
    return TypeAdapter(cls).validate_python(values)


def to_dict(config: object) -> dict[str, Any]:
    """The configuration as plain values for JSON, for checkpoints and experiment trackers."""
    values: dict[str, Any] = TypeAdapter(type(config)).dump_python(config, mode="json")
    return values
