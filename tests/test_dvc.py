"""dvc.yaml says what the catalog and the pipelines say, and is as fresh as they are."""

from pathlib import Path
from typing import Any

import pytest
import yaml

from dino_pipeline.cli.dvc_stages import stage_files
from dino_pipeline.pipeline_registry import EVALUATIONS, STAGES, stage_pipelines
from dino_pipeline.project.catalog import generated_catalog
from dino_pipeline.project.dvc_stages import FILES, GROUPS_READ_AS_FILES, UNWATCHED_GROUPS
from dino_pipeline.recipes.reading import recipe_names, watched_groups
from dino_pipeline.workspace.config_loader import MERGE_STRATEGY, LayeredConfigLoader, files_to_merge

ROOT = Path(__file__).parents[1]
RECIPE = "smoke"


@pytest.fixture(scope="module")
def catalog() -> dict[str, Any]:
    loader = LayeredConfigLoader(
        ROOT / "conf",
        RECIPE,
        base_env="base",
        default_run_env="local",
        merge_strategy=MERGE_STRATEGY,
        generated_catalog=generated_catalog,
    )
    return loader["catalog"]


def stages_of(file: str) -> dict[str, dict[str, Any]]:
    text = (ROOT / file).read_text().replace("${recipe}", RECIPE)
    stages: dict[str, dict[str, Any]] = yaml.safe_load(text)["stages"]
    return stages


def dvc_stages() -> dict[str, dict[str, Any]]:
    return stages_of("dvc.yaml") | stages_of("evaluations/dvc.yaml")


def outputs_of(stage: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """The paths that a stage writes, with what DVC is told of each."""
    entries = [*stage.get("outs", []), *stage.get("metrics", [])]
    return dict(
        item for entry in entries for item in (entry if isinstance(entry, dict) else {entry: {}}).items()
    )


def watched_paths(catalog: dict[str, Any], names: set[str]) -> set[str]:
    entries = [catalog[name] for name in names if not name.startswith("params:")]
    return {entry["filepath"] for entry in entries if "unwatched" not in entry.get("metadata", {})}


@pytest.mark.parametrize("name", FILES)
def test_the_file_is_what_the_command_writes(name: str) -> None:
    fresh = (ROOT / name).read_text() == stage_files(ROOT)[name]
    assert fresh, f"{name} is stale: run `make dvc-stages`"


def test_each_pipeline_is_a_stage_that_runs_it_alone() -> None:
    assert list(stages_of("dvc.yaml")) == list(STAGES)
    assert list(stages_of("evaluations/dvc.yaml")) == list(EVALUATIONS)
    for name, stage in dvc_stages().items():
        assert stage["cmd"] == f"kedro run --env={RECIPE} --pipelines={name} --tags={name}"


@pytest.mark.parametrize("name", [*STAGES, *EVALUATIONS])
def test_what_a_pipeline_writes_are_the_outputs_of_its_stage(name: str, catalog: dict[str, Any]) -> None:
    outputs = outputs_of(dvc_stages()[name])
    assert outputs.keys() == watched_paths(catalog, stage_pipelines()[name].all_outputs())


@pytest.mark.parametrize("name", EVALUATIONS)
def test_an_evaluation_that_has_never_run_is_in_nobodys_way(name: str) -> None:
    stage = dvc_stages()[name]
    assert "metrics" not in stage, "`dvc metrics show` would warn"
    assert all(options == {"cache": False} for options in outputs_of(stage).values()), "`dvc pull` would fail"


@pytest.mark.parametrize("name", [*STAGES, *EVALUATIONS])
def test_what_a_pipeline_reads_are_dependencies_of_its_stage(name: str, catalog: dict[str, Any]) -> None:
    data = {path for path in dvc_stages()[name]["deps"] if path.startswith("data/")}
    assert data == watched_paths(catalog, stage_pipelines()[name].inputs())


def used_groups(name: str) -> set[str]:
    inputs = stage_pipelines()[name].inputs()
    # A recipe need not name a value inside a group, which DVC would miss: whole groups are watched.
    return {
        item.removeprefix("params:").split(".")[0] for item in inputs if item.startswith("params:")
    } - UNWATCHED_GROUPS


@pytest.mark.parametrize("name", STAGES)
def test_the_groups_a_pipeline_uses_are_watched_in_base_and_in_the_recipe(name: str) -> None:
    watched = [
        f"{file}:{key}"
        for entry in dvc_stages()[name]["params"]
        for file, keys in entry.items()
        for key in keys
    ]
    assert sorted(watched) == sorted(
        f"{file}:{group}"
        for group in used_groups(name) | GROUPS_READ_AS_FILES.get(name, set())
        for file in (f"conf/base/parameters_{group}.yml", f"conf/{RECIPE}/parameters.yml")
    )


@pytest.mark.parametrize("name", EVALUATIONS)
def test_the_groups_an_evaluation_uses_are_watched_in_base_and_the_recipe_as_a_folder(name: str) -> None:
    stage = dvc_stages()[name]
    watched = [f"{file}:{key}" for entry in stage["params"] for file, (key,) in entry.items()]
    assert sorted(watched) == sorted(
        f"conf/base/parameters_{group}.yml:{group}" for group in used_groups(name)
    )
    assert f"conf/{RECIPE}" in stage["deps"], (
        "few recipes change an evaluation: none needs a file of its own for it"
    )


@pytest.mark.parametrize("recipe", recipe_names(ROOT / "conf"))
def test_each_recipe_is_one_file_with_each_group_for_dvc_to_watch(recipe: str) -> None:
    text = (ROOT / "conf" / recipe / "parameters.yml").read_text()
    assert "${" not in text, "DVC and Optuna read parameter files as plain YAML"
    watched = set().union(*map(used_groups, STAGES))
    assert watched == set(watched_groups())
    missing = watched - yaml.safe_load(text).keys()
    assert not missing, "write `group: {}` where the recipe changes nothing"
    if recipe != "base":
        assert not files_to_merge(ROOT / "conf" / recipe)


def test_conf_holds_few_files() -> None:
    assert sum(path.is_file() for path in (ROOT / "conf").rglob("*")) < 90


def test_plots_are_of_columns_that_a_training_writes(catalog: dict[str, Any]) -> None:
    from dino_pipeline.dino.training.history import HISTORY, HISTORY_COLUMNS

    *curves, picture = yaml.safe_load((ROOT / "dvc.yaml").read_text().replace("${recipe}", RECIPE))["plots"]
    assert picture == catalog["attention_picture"]["filepath"]
    for plot in curves:
        (options,) = plot.values()
        assert options["x"].keys() == options["y"].keys() == {f"{catalog['model']['filepath']}/{HISTORY}"}
        (x,), (y,) = options["x"].values(), options["y"].values()
        assert {x, *y} <= set(HISTORY_COLUMNS)


def test_source_dependencies_exist() -> None:
    paths = {path for stage in dvc_stages().values() for path in stage["deps"] if path.startswith("src/")}
    assert not [path for path in paths if not (ROOT / path).exists()]


def test_all_of_the_core_that_a_fingerprint_hashes_is_watched() -> None:
    from dino_pipeline.dino.training.fingerprint import CORE

    watched = [ROOT / path for path in dvc_stages()["pretrain"]["deps"] if path.startswith("src/")]
    unwatched = [file for file in CORE.rglob("*.py") if not {file, *file.parents} & set(watched)]
    assert not [file for file in unwatched if file.stem != "__init__"]


def test_the_demo_is_what_dvc_runs_until_told_otherwise() -> None:
    assert yaml.safe_load((ROOT / "conf" / "dvc_recipe.yml").read_text()) == {"recipe": "demo"}
