"""What `kedro run` and `dino-pipeline cost` take where no recipe is named."""

from pathlib import Path

from dino_pipeline.recipes.init.project import prepare_project
from dino_pipeline.recipes.reading import default_recipe
from dino_pipeline.workspace.project_folder import conf_folder


def test_the_package_has_a_demo_and_a_project_of_init_has_base_alone(tmp_path: Path) -> None:
    assert default_recipe(conf_folder()) == "demo"
    prepare_project(tmp_path, recipe="mine")
    assert default_recipe(tmp_path / "conf") == "base"
