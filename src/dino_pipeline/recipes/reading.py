"""Read the recipes of conf/, from a checkout or from inside an installed package. There is one copy of them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from kedro.config import MissingConfigException

from dino_pipeline.workspace.config_loader import DEMO, MERGE_STRATEGY, LayeredConfigLoader
from dino_pipeline.workspace.project_folder import conf_folder


def conf_of(project: Path | None) -> Path:
    """The recipes of a project; those of this package without one, or if it has none."""
    return project / "conf" if project and (project / "conf" / "base").is_dir() else conf_folder()


def default_recipe(conf: Path) -> str:
    """What `kedro run` runs without `--env`: the demo, or conf/base in a project without it."""
    return DEMO if (conf / DEMO).is_dir() else "base"


def recipe_names(conf: Path) -> list[str]:
    """Every folder of conf/ that contains parameters and is not the user's own."""
    return sorted({file.parent.name for file in conf.glob("*/parameters*.yml")} - {"local"})


def watched_groups() -> list[str]:
    """The groups that DVC's stages watch. Each recipe's file has them, `{}` where it changes nothing."""
    return list(yaml.safe_load((conf_folder() / "base" / "parameters.yml").read_text()))


def recipe_parameters(
    recipe: str, overrides: Mapping[str, Any] | None = None, *, conf: Path | None = None
) -> dict[str, Any]:
    """All parameters of a recipe, as `kedro run --env=<recipe>` reads them.

    Args:
        recipe: a folder of conf/.
        overrides: nested values that override the recipe's.
        conf: another project's folder of recipes.

    Raises:
        kedro.config.MissingConfigException: the recipe does not exist.
    """
    loader = LayeredConfigLoader(
        conf or conf_folder(),
        recipe,
        runtime_params=dict(overrides or {}),
        base_env="base",
        default_run_env="local",
        merge_strategy=MERGE_STRATEGY,
    )
    return loader["parameters"]


def project_parameters(project: Path, recipe: str) -> dict[str, Any]:
    """All parameters of a recipe of the project in this folder.

    Raises:
        ValueError: the project lacks the recipe or conf/.
    """
    try:
        return recipe_parameters(recipe, conf=project / "conf")
    except MissingConfigException as error:
        raise ValueError(f"{project}: {error}") from error
