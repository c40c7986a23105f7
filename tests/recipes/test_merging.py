"""A recipe of several files becomes one: the same values, their comments, and a refusal where a value would be lost."""

from pathlib import Path

import pytest
import yaml

from dino_pipeline.__main__ import main
from dino_pipeline.recipes.merging import merge_recipe
from dino_pipeline.recipes.reading import watched_groups
from dino_pipeline.workspace.config_loader import shared_parameters

BASE = {group: {"a": 0, "b": 0} for group in watched_groups()} | {
    "retrieval": {"a": 0},
    "monitoring": {"a": 0},
}


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    """A recipe as `init` wrote it, with a user's own comments."""
    (tmp_path / "conf" / "base").mkdir(parents=True)
    (tmp_path / "conf" / "base" / "parameters_all.yml").write_text(yaml.safe_dump(BASE))
    folder = tmp_path / "conf" / "mine"
    folder.mkdir()
    author = "# By `dino-pipeline init`, for the images and the machine that globals.yml tells of; yours to change.\n"
    for name, text in {
        "globals.yml": "# Written by `dino-pipeline init`. 41 files.\nrecipe: mine\n",
        "parameters_ingest.yml": f"{author}ingest:\n  a: 1  # theirs\n",
        "parameters_pretrain.yml": f"{author}pretrain:\n  # twice\n  b: 2.0e-3\nmonitoring: {{a: 5}}\n",
        "parameters_register.yml": "# As in base; DVC watches this file.\nregister: {}\n",
        "parameters_report.yml": "# I leave the report alone.\nreport: {}\n",
        "parameters_retrieval.yml": "retrieval: {a: 3}\n",
    }.items():
        (folder / name).write_text(text)
    return folder


def test_one_file_remains_with_values_and_comments(recipe: Path) -> None:
    before = shared_parameters(recipe.parent, "mine")
    assert len(merge_recipe(recipe)) == 6
    assert shared_parameters(recipe.parent, "mine") == before
    (file,) = recipe.iterdir()
    assert (
        file.read_text()
        == """\
# Written by `dino-pipeline init`. 41 files.
pretrain:
  # twice
  b: 2.0e-3
monitoring: {a: 5}

ingest:
  a: 1  # theirs

# I leave the report alone.

retrieval: {a: 3}

# Unchanged; DVC needs these lines.
model: {}
extract: {}
probe: {}
evaluate: {}
report: {}
register: {}
"""
    )


def test_again_changes_nothing_and_a_file_that_came_later_is_taken_in(recipe: Path) -> None:
    merge_recipe(recipe)
    before = (recipe / "parameters.yml").read_text()
    assert merge_recipe(recipe) == []
    assert (recipe / "parameters.yml").read_text() == before
    (recipe / "parameters_model.yml").write_text("model: {b: 7}\n")
    merge_recipe(recipe)
    assert yaml.safe_load((recipe / "parameters.yml").read_text())["model"] == {"b": 7}


def test_a_merge_that_was_killed_is_finished(recipe: Path) -> None:
    old = {file: file.read_text() for file in recipe.iterdir()}
    merge_recipe(recipe)
    whole = (recipe / "parameters.yml").read_text()
    for file, text in old.items():
        file.write_text(text)
    merge_recipe(recipe)
    assert [file.name for file in recipe.iterdir()] == ["parameters.yml"]
    assert yaml.safe_load((recipe / "parameters.yml").read_text()) == yaml.safe_load(whole)


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("parameters_more.yml", "pretrain: {a: 1}\n", "pretrain is in .*pretrain.yml and in .*more.yml"),
        ("parameters_more.yml", "model: {a: '${globals:recipe}'}\n", "an interpolation"),
        ("parameters_more.yml", "{model: {a: 1}}\n", "cannot be joined line by line"),
        ("parameters_more.yml", "model: [\n", r"parameters_more\.yml, line 1: a bracket .* is not closed"),
        ("globals.yml", "recipe: other\n", "gives the recipe another name than its folder"),
        ("globals.yml", "recipe: mine\nshare: 3\n", "also sets share"),
    ],
)
def test_nothing_is_written_where_a_value_would_be_lost(
    recipe: Path, name: str, text: str, said: str
) -> None:
    (recipe / name).write_text(text)
    before = {file: file.read_text() for file in recipe.iterdir()}
    with pytest.raises(ValueError, match=said):
        merge_recipe(recipe)
    assert {file: file.read_text() for file in recipe.iterdir()} == before


def test_the_command_names_what_is_left_to_do(recipe: Path, capsys: pytest.CaptureFixture[str]) -> None:
    project = recipe.parents[1]
    (project / "dvc.yaml").write_text("params: [conf/${recipe}/parameters_ingest.yml: [ingest]]\n")
    assert main(["merge-recipe", "mine", f"--project={project}"]) == 0
    said = capsys.readouterr().out
    assert "conf/mine/parameters.yml: 6 files merged" in said
    assert "run `dino-pipeline dvc-stages`" in said
    assert main(["merge-recipe", "mine", f"--project={project}"]) == 0
    assert "conf/mine is already one file" in capsys.readouterr().out
    assert main(["merge-recipe", "not_there", f"--project={project}"]) == 1
    assert "There is no recipe 'not_there'" in capsys.readouterr().err
    assert main(["merge-recipe", "base", f"--project={project}"]) == 1
