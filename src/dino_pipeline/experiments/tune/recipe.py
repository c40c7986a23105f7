"""Write the result of a study as a folder of conf/: `kedro run --env=<recipe>_tuned` trains with it."""

import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from dino_pipeline.dino.training.progress import differing_keys
from dino_pipeline.experiments.tune.search_space import value_of
from dino_pipeline.recipes.writing import Choice, write_recipe

_HEADING = "Written by `kedro run --pipeline=tune`"


def check_target(folder: Path) -> None:
    """Check before the first trial that the recipe may be written there.

    Raises:
        ValueError: a recipe of this name exists, and no study wrote it.
    """
    files = [*folder.glob("parameters.yml"), *folder.glob("globals.yml")]  # older studies wrote globals.yml
    if folder.exists() and not any(_HEADING in file.read_text() for file in files):
        raise ValueError(
            f"{folder} is a recipe that was not written by a study: give another name with tune.tuned_recipe"
        )


def write_tuned(
    folder: Path,
    values: Mapping[str, Any],
    *,
    heading: str,
    recipe: str,
    pretrain: Mapping[str, Any],
) -> None:
    """Write the recipe, whole or not at all. A recipe from an earlier study is replaced.

    Args:
        folder: conf/<name of the new recipe>.
        values: by dotted name, the values that the chosen trial laid over the recipe.
        heading: names the study and the trial.
        recipe: the name of the tuned recipe.
        pretrain: its group in force, as plain values, without the trials' budget.
    """
    base = folder.parent / "base"
    choices = [
        *_trained_with(base, values, pretrain),
        *_as_they_are(folder.parent / recipe if recipe != "base" else None),
    ]
    with tempfile.TemporaryDirectory(prefix=".tuned-", dir=folder.parent) as scratch:
        fresh = Path(scratch) / folder.name
        write_recipe(fresh, choices, heading=f"{_HEADING}. {heading}")
        if folder.exists():
            shutil.move(folder, Path(scratch) / "replaced")
        fresh.rename(folder)


def _trained_with(base: Path, values: Mapping[str, Any], pretrain: Mapping[str, Any]) -> list[Choice]:
    """All values of `pretrain` that differ from conf/base, including those from `--params` and conf/local."""
    own = {"pretrain": pretrain}
    below = yaml.safe_load((base / "parameters_pretrain.yml").read_text())
    names = dict.fromkeys([*differing_keys({"pretrain": below["pretrain"]}, own), *values])
    return [
        Choice(name, values[name], f"Searched; was {value_of(name, own, 'tune')}.")
        if name in values
        else Choice(name, value_of(name, own, "tune"))
        for name in names
    ]


def _as_they_are(recipe: Path | None) -> list[Choice]:
    """The tuned recipe's other groups, unchanged."""
    files = sorted(recipe.glob("parameters*.yml")) if recipe else []
    groups = {name: group for file in files for name, group in yaml.safe_load(file.read_text()).items()}
    return [
        Choice(name, value)
        for group, inside in groups.items()
        if group != "pretrain"
        for name, value in _leaves(group, inside)
    ]


def _leaves(name: str, value: Any) -> list[tuple[str, Any]]:
    if not isinstance(value, Mapping):
        return [(name, value)]
    return [leaf for key, inside in value.items() for leaf in _leaves(f"{name}.{key}", inside)]
