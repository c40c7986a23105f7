"""The registry: composites bring what they need, stages run alone, listing is quick, parameters are typed."""

import dataclasses
import subprocess
import sys
import typing
from functools import reduce
from itertools import pairwise
from operator import getitem
from pathlib import Path

import pytest
from pydantic import TypeAdapter

from dino_pipeline.pipeline_registry import (
    EVALUATIONS,
    EXPERIMENTS,
    STAGES,
    register_pipelines,
    stage_pipelines,
)
from dino_pipeline.recipes.reading import recipe_names, recipe_parameters

ROOT = Path(__file__).parents[1]

# Reached by name from a node's function; a list of pipelines needs none of them.
HEAVY = {"torch", "torchvision", "timm", "mlflow", "pandas", "skimage", "sklearn", "matplotlib"}


def test_each_pipeline_brings_the_stages_before_it() -> None:
    pipelines = register_pipelines()
    for before, after in pairwise(STAGES):
        assert set(pipelines[before].nodes) < set(pipelines[after].nodes)
    assert pipelines["__default__"].nodes == pipelines[list(STAGES)[-1]].nodes


@pytest.mark.parametrize("name", [*STAGES, *EVALUATIONS, *EXPERIMENTS])
def test_a_tag_selects_exactly_one_stage(name: str) -> None:
    assert register_pipelines()[name].only_nodes_with_tags(name).nodes == stage_pipelines()[name].nodes


def test_listing_the_pipelines_imports_nothing_heavy() -> None:
    code = (
        "import sys; from dino_pipeline.pipeline_registry import register_pipelines; register_pipelines();"
        "print(*{name.partition('.')[0] for name in sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stdout.split())


@pytest.mark.parametrize("name", [*STAGES, *EVALUATIONS, *EXPERIMENTS])
def test_parameter_groups_reach_the_nodes_typed(name: str) -> None:
    for node in stage_pipelines()[name].nodes:
        # Kedro validates what it can resolve, and says nothing of what it cannot.
        hints = typing.get_type_hints(node.func)
        for argument, dataset in zip(hints, node.inputs, strict=False):
            if dataset.startswith("params:"):
                kind = hints[argument]
                assert kind in (str, int, float, bool) or dataclasses.is_dataclass(kind), (node.name, dataset)


@pytest.mark.parametrize("recipe", recipe_names(ROOT / "conf"))
def test_a_recipes_values_suit_every_pipeline(recipe: str) -> None:
    """Kedro validates the parameters of all pipelines, whichever is run."""
    parameters = recipe_parameters(recipe)
    for pipeline in stage_pipelines().values():
        for node in pipeline.nodes:
            for argument, dataset in zip(typing.get_type_hints(node.func).items(), node.inputs, strict=False):
                if dataset.startswith("params:"):
                    values = reduce(getitem, dataset.removeprefix("params:").split("."), parameters)
                    TypeAdapter(argument[1]).validate_python(values)
