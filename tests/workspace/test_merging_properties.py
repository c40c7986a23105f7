"""Configurations of any shape, merged: the later one wins, what it does not name stays, twice is once."""

import copy
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from dino_pipeline.workspace.config_loader import MERGE_STRATEGY, LayeredConfigLoader
from dino_pipeline.workspace.overlays import nested, overlaid

NAMES = st.sampled_from(["epochs", "loss", "seed", "name", "crop"])
LEAVES = st.one_of(
    st.integers(-9, 9), st.booleans(), st.text("abc", max_size=3), st.lists(st.integers(0, 9), max_size=2)
)
TREES = st.recursive(
    st.dictionaries(NAMES, LEAVES, max_size=3),
    lambda inner: st.dictionaries(NAMES, st.one_of(LEAVES, inner), max_size=3),
    max_leaves=8,
)
# By dotted name, of depths that never make one name a value and a group.
OVERLAYS = st.dictionaries(st.tuples(NAMES, NAMES).map(".".join), LEAVES, max_size=4)


def leaves(tree: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in tree.items():
        if isinstance(value, Mapping) and value:
            yield from leaves(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def get(tree: Any, name: str) -> Any:
    for key in name.split("."):
        tree = tree[key]
    return tree


@given(TREES, OVERLAYS)
def test_the_later_value_wins(below: dict[str, Any], above: dict[str, Any]) -> None:
    merged = overlaid(below, above)
    assert {name: get(merged, name) for name in above} == above


@given(TREES, OVERLAYS)
def test_what_is_not_named_stays(below: dict[str, Any], above: dict[str, Any]) -> None:
    merged = overlaid(below, above)
    for name, value in leaves(below):
        replaced = any(f"{name}.".startswith(f"{other}.") or other.startswith(f"{name}.") for other in above)
        assert replaced or get(merged, name) == value


@given(TREES, OVERLAYS)
def test_twice_is_once_and_the_arguments_stay_as_they_are(
    below: dict[str, Any], above: dict[str, Any]
) -> None:
    before = copy.deepcopy((below, above))
    merged = overlaid(below, above)
    assert overlaid(merged, above) == merged
    assert (below, above) == before


@given(OVERLAYS)
def test_nesting_loses_no_name(values: dict[str, Any]) -> None:
    assert dict(leaves(nested(values))) == values


@settings(max_examples=15)
@given(OVERLAYS, OVERLAYS, OVERLAYS, OVERLAYS)
def test_the_layers_of_conf_merge_as_overlays_do(
    base: dict[str, Any], recipe: dict[str, Any], local: dict[str, Any], params: dict[str, Any]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        conf = Path(folder)
        for layer, values in {"base": base, "tiny": recipe, "local": local}.items():
            (conf / layer).mkdir()
            (conf / layer / "parameters.yml").write_text(yaml.safe_dump({"train": nested(values)}))
        loader = LayeredConfigLoader(
            conf,
            "tiny",
            runtime_params={"train": nested(params)},
            base_env="base",
            default_run_env="local",
            merge_strategy=MERGE_STRATEGY,
        )
        expected = overlaid(overlaid(overlaid(nested(base), recipe), local), params)
        assert loader["parameters"]["train"] == expected
