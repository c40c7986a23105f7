"""Dotted names over nested parameters, against cases worked by hand."""

import pytest

from dino_pipeline.workspace.overlays import nested, overlaid


def test_dotted_names_become_groups() -> None:
    assert nested({"a.b.c": 1, "a.d": [2], "e": None}) == {"a": {"b": {"c": 1}, "d": [2]}, "e": None}


def test_a_value_that_is_also_a_group_is_refused() -> None:
    with pytest.raises(ValueError, match=r"a\.b cannot be set: a is already set"):
        nested({"a": 1, "a.b": 2})


def test_an_overlay_replaces_what_it_names_and_keeps_the_rest() -> None:
    below = {"pretrain": {"epochs": 5, "optimizer": {"name": "adamw", "momentum": 0.9}}, "launch": {"n": 1}}
    above = {"pretrain.optimizer.name": "lars", "pretrain.backbone.options.patch_size": 8}
    assert overlaid(below, above) == {
        "pretrain": {
            "epochs": 5,
            "optimizer": {"name": "lars", "momentum": 0.9},
            "backbone": {"options": {"patch_size": 8}},
        },
        "launch": {"n": 1},
    }
    assert below["pretrain"]["optimizer"] == {"name": "adamw", "momentum": 0.9}


def test_a_mapping_given_as_a_value_is_merged_too() -> None:
    assert overlaid({"a": {"b": 1, "c": 2}}, {"a": {"c": 3}}) == {"a": {"b": 1, "c": 3}}
