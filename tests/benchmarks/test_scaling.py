"""Growth of costs against curves that are known, and the predictions that docs/scaling.md shows."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def benchmark_module(monkeypatch):
    """Benchmarks import one another by name, as scripts do."""
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    return importlib.import_module


def test_growth_is_the_line_and_the_power_that_the_costs_follow(benchmark_module):
    scaling = benchmark_module("scaling")
    line = scaling.growth([1, 2, 4], [5.0, 7.0, 11.0])
    assert line["cost_a_unit"] == pytest.approx(2.0)
    assert line["cost_at_zero"] == pytest.approx(3.0)
    assert scaling.growth([10, 20, 40], [300.0, 1200.0, 4800.0])["exponent"] == pytest.approx(2.0)


def test_a_recipes_values_without_kedro_are_those_that_kedro_reads(benchmark_module):
    from dino_pipeline.recipes.reading import recipe_parameters

    for recipe in ("cifar10", "imagenet_resnet50"):
        ours = benchmark_module("recipe_values").recipe_values(recipe)
        theirs = recipe_parameters(recipe)
        assert ours == {group: theirs[group] for group in ours}


def test_data_wait_is_what_a_loader_costs_beside_crops_that_are_there(benchmark_module):
    gpu = benchmark_module("gpu")
    assert gpu.data_wait_share({"images_per_second": 950.0}, {"images_per_second": 1000.0}) == 0.05
    assert gpu.data_wait_share({"failed": "out of memory"}, {"images_per_second": 1000.0}) is None


@pytest.mark.full
def test_the_predictions_in_the_docs_are_what_the_command_prints():
    command = [sys.executable, "benchmarks/predicted_hours.py"]
    printed = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert printed in (ROOT / "docs" / "scaling.md").read_text()
