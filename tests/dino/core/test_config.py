"""Configuration classes."""

from dataclasses import FrozenInstanceError

import pytest
from pydantic import ValidationError

from dino_pipeline.dino.core.config import from_dict, frozen, to_dict


@frozen
class Inner:
    rate: float


@frozen
class Outer:
    name: str
    inner: Inner


def test_nested_groups_are_built_and_given_back_as_plain_values() -> None:
    values = {"name": "a", "inner": {"rate": 0.5}}
    config = from_dict(Outer, values)
    assert config == Outer(name="a", inner=Inner(rate=0.5))
    assert to_dict(config) == values


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"name": "a", "inner": {"rate": 0.5, "rat": 1}}, "inner.rat"),
        ({"name": "a", "inner": {"rate": "ten"}}, "inner.rate"),
        ({"name": "a", "inner": {"rate": float("nan")}}, "inner.rate"),
        ({"name": "a"}, "inner"),
    ],
)
def test_unknown_wrong_and_missing_values_are_refused_by_name(values: dict[str, object], named: str) -> None:
    with pytest.raises(ValidationError, match=named):
        from_dict(Outer, values)


def test_nothing_changes_after_it_is_built() -> None:
    config = Inner(rate=0.5)
    with pytest.raises(FrozenInstanceError):
        config.rate = 1.0  # type: ignore[misc]
