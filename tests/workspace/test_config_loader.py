"""Three layers merge key by key, and --params stands above them."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml
from kedro.config import MissingConfigException

from dino_pipeline.dino.weights import older_files
from dino_pipeline.project.catalog import generated_catalog
from dino_pipeline.recipes.reading import recipe_parameters
from dino_pipeline.workspace.config_loader import MERGE_STRATEGY, LayeredConfigLoader
from dino_pipeline.workspace.project_folder import conf_folder


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    for layer, text in {
        "base": "train: {epochs: 10, seed: 0, loss: {temperature: 0.1, momentum: 0.9}}",
        "tiny": "train: {epochs: 1, loss: {temperature: 0.2}}",
        "local": "train: {seed: 7}",
    }.items():
        (tmp_path / layer).mkdir()
        (tmp_path / layer / "parameters.yml").write_text(text)
    (tmp_path / "base" / "catalog.yml").write_text('model: {type: x, filepath: "data/${globals:recipe}"}\n')
    return tmp_path


def load(conf: Path, env: str | None = None, *, default: str = "local", **params: Any) -> LayeredConfigLoader:
    return LayeredConfigLoader(
        conf,
        env,
        runtime_params=params,
        base_env="base",
        default_run_env=default,
        merge_strategy=MERGE_STRATEGY,
    )


def test_a_recipe_changes_only_what_it_names_and_local_stands_above_it(conf: Path) -> None:
    values = load(conf, "tiny")["parameters"]["train"]
    assert values == {"epochs": 1, "seed": 7, "loss": {"temperature": 0.2, "momentum": 0.9}}


@pytest.mark.parametrize("env", [None, "base", "local"])
def test_without_a_recipe_local_stands_above_base(conf: Path, env: str | None) -> None:
    values = load(conf, env)["parameters"]["train"]
    assert values == {"epochs": 10, "seed": 7, "loss": {"temperature": 0.1, "momentum": 0.9}}


@pytest.mark.parametrize(("default", "recipe", "epochs"), [("tiny", "tiny", 1), ("absent", "base", 10)])
def test_a_default_recipe_runs_where_it_exists(conf: Path, default: str, recipe: str, epochs: int) -> None:
    loader = load(conf, default=default)
    assert loader["parameters"]["recipe"] == recipe
    train = loader["parameters"]["train"]
    assert (train["epochs"], train["seed"]) == (epochs, 7), "local stands above it"
    assert load(conf, "base", default=default)["parameters"]["recipe"] == "base"


def test_params_stand_above_local(conf: Path) -> None:
    values = load(conf, "tiny", train={"seed": 3})["parameters"]["train"]
    assert (values["seed"], values["epochs"]) == (3, 1)


def test_paths_of_the_catalog_name_the_recipe(conf: Path) -> None:
    assert load(conf)["catalog"]["model"]["filepath"] == "data/base"
    assert load(conf, "tiny")["catalog"]["model"]["filepath"] == "data/tiny"


@pytest.mark.parametrize(
    ("env", "recipe"), [(None, "base"), ("base", "base"), ("local", "base"), ("tiny", "tiny")]
)
def test_the_folder_names_the_recipe(conf: Path, env: str | None, recipe: str) -> None:
    loader = load(conf, env)
    assert loader["globals"] == {"recipe": recipe}
    assert loader["parameters"]["recipe"] == recipe
    assert loader["catalog"]["model"]["filepath"] == f"data/{recipe}", "other loaders were made meanwhile"


def test_a_recipe_of_several_files_is_read_and_the_warning_names_the_command(
    conf: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (conf / "base" / "globals.yml").write_text("recipe: base\n")  # projects made before have it
    (conf / "tiny" / "parameters.yml").rename(conf / "tiny" / "parameters_train.yml")
    (conf / "tiny" / "globals.yml").write_text("recipe: small\n")
    for _ in range(2):
        assert load(conf, "tiny")["parameters"]["train"]["epochs"] == 1
    assert load(conf, "tiny")["catalog"]["model"]["filepath"] == "data/small"
    (message,) = caplog.messages
    assert "merge them with `dino-pipeline merge-recipe tiny`" in message


def test_a_recipe_of_one_file_needs_no_globals_where_base_still_has_them(
    conf: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (conf / "base" / "globals.yml").write_text("recipe: base\n")
    assert load(conf, "tiny")["globals"] == {"recipe": "tiny"}
    assert not caplog.messages


def test_local_may_change_the_catalog_of_a_recipe(conf: Path) -> None:
    (conf / "local" / "catalog.yml").write_text("model: {filepath: /big/disk}\n")
    assert load(conf, "tiny")["catalog"]["model"] == {"type": "x", "filepath": "/big/disk"}


def test_an_unknown_recipe_is_refused_with_those_there_are(conf: Path) -> None:
    with pytest.raises(MissingConfigException, match="no recipe 'tny'; conf/ has: base, local, tiny"):
        load(conf, "tny")


@pytest.mark.parametrize("layer", ["base", "tiny", "local"])
def test_a_yaml_tag_is_refused_and_builds_nothing(conf: Path, layer: str) -> None:
    executed = conf / "executed"
    text = f"train:\n  seed: !!python/object/apply:os.system ['touch {executed}']\n"
    (conf / layer / "parameters.yml").write_text(text)
    with pytest.raises(ValueError, match=r"\.yml, line 2: this is not plain YAML, .*os\.system'"):
        load(conf, "tiny")["parameters"]
    assert not executed.exists()


def test_a_package_without_local_works(conf: Path) -> None:
    (conf / "local" / "parameters.yml").unlink()
    (conf / "local").rmdir()
    assert load(conf, "tiny")["parameters"]["train"]["seed"] == 0


def test_entries_that_are_generated_lie_below_every_file(conf: Path) -> None:
    (conf / "local" / "catalog.yml").write_text("numbers: {filepath: /big/disk}\n")
    loader = LayeredConfigLoader(
        conf,
        "tiny",
        base_env="base",
        default_run_env="local",
        merge_strategy=MERGE_STRATEGY,
        generated_catalog=lambda recipe: {
            "numbers": {"type": "x", "filepath": f"data/{recipe}/numbers"},
            "words": {"type": "y", "filepath": f"data/{recipe}/words"},
        },
    )
    assert loader["catalog"] == {
        "numbers": {"type": "x", "filepath": "/big/disk"},
        "words": {"type": "y", "filepath": "data/tiny/words"},
        "model": {"type": "x", "filepath": "data/tiny"},
    }


def test_a_project_of_before_names_types_where_they_were_and_lacks_what_came_later(
    conf: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (conf / "base" / "catalog.yml").write_text(
        "model: {type: dino_pipeline.datasets.FolderDataset}\n"
        "maybe: {type: dino_pipeline.datasets.OptionalDataset, dataset: {type: pandas.CSVDataset}}\n"
        "kept: {type: MemoryDataset}\n"
    )
    assert load(conf)["catalog"] == {
        "model": {"type": "dino_pipeline.project.datasets.FolderDataset"},
        "maybe": {
            "type": "dino_pipeline.project.datasets.OptionalDataset",
            "dataset": {"type": "pandas.CSVDataset"},
        },
        "kept": {"type": "MemoryDataset"},
    }
    monkeypatch.setattr(older_files, "LATER_FIELDS", {"train.loss.later": 3, "train.seed": 5})
    assert load(conf, "tiny")["parameters"]["train"] == {
        "epochs": 1,
        "seed": 7,
        "loss": {"temperature": 0.2, "momentum": 0.9, "later": 3},
    }


def test_what_came_later_stands_in_conf_base_all_the_same() -> None:
    written: dict[str, Any] = {}
    for file in (conf_folder() / "base").glob("parameters*.yml"):
        for key, value in yaml.safe_load(file.read_text()).items():
            written[key] = {**written.get(key, {}), **value} if isinstance(value, dict) else value
    for name in older_files.LATER_FIELDS:
        group = written
        for key in name.split("."):
            assert key in group, f"{name} is in LATER_FIELDS, and in no file of conf/base"
            group = group[key]


def test_a_project_of_an_older_version_gets_later_groups_and_entries_from_the_package(tmp_path: Path) -> None:
    shutil.copytree(conf_folder() / "base", tmp_path / "base")
    (tmp_path / "photos").mkdir()
    for later in ("parameters_cost.yml", "parameters_results.yml", "parameters_lineage.yml"):
        (tmp_path / "base" / later).unlink()
    catalog = tmp_path / "base" / "catalog.yml"
    entries = yaml.safe_load(catalog.read_text())
    del entries["frozen_teacher_features"], entries["duplicates"]
    entries["report"]["filepath"] = "elsewhere/report.html"
    catalog.write_text(yaml.safe_dump(entries))
    old = LayeredConfigLoader(
        tmp_path,
        "photos",
        base_env="base",
        default_run_env="local",
        merge_strategy=MERGE_STRATEGY,
        generated_catalog=generated_catalog,
    )
    assert old["parameters"].keys() == recipe_parameters("base").keys()
    assert old["parameters"]["cost"] == recipe_parameters("base")["cost"]
    assert old["catalog"]["duplicates"]["filepath"].endswith("/photos/duplicates.csv")
    assert old["catalog"]["report"]["filepath"] == "elsewhere/report.html"


def test_a_group_that_decides_a_model_is_never_taken_from_the_package(tmp_path: Path) -> None:
    shutil.copytree(conf_folder() / "base", tmp_path / "base")
    (tmp_path / "base" / "parameters_extract.yml").unlink()
    assert recipe_parameters("base", conf=tmp_path)["extract"] == {}, "as conf/base/parameters.yml has it"
