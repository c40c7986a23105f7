"""Configuration in three soft layers: conf/base, then the recipe (`--env`), then the user's conf/local."""

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml
from kedro.config import MissingConfigException, OmegaConfigLoader

from dino_pipeline.workspace.experiment_copy import outside_copy
from dino_pipeline.workspace.parameter_errors import nearest

_USER_LAYER = "local"
MERGE_STRATEGY = {"parameters": "soft", "globals": "soft", "catalog": "soft"}


def shared_parameters(conf_source: Path, recipe: str) -> dict[str, Any]:
    """What a recipe says to everybody: conf/base and the recipe, without the user's conf/local and `--params`.

    Raises:
        MissingConfigException: there is no such recipe.
    """
    loader = OmegaConfigLoader(
        conf_source, recipe, base_env="base", default_run_env="base", merge_strategy=MERGE_STRATEGY
    )
    parameters: dict[str, Any] = loader["parameters"]
    return parameters


class LayeredConfigLoader(OmegaConfigLoader):
    """Merges the layers key by key; `--params` stands above them all.

    Kedro's own loader knows two layers, so that `--env` leaves conf/local out. Below the files of the catalog lie the
    entries that `generated_catalog` makes for the recipe's name.

    Raises:
        MissingConfigException: there is no recipe of this name; the text lists those there are.
        ValueError: a file asks for more than plain YAML, such as a Python object by a tag; or there is a group of
            parameters that conf/base does not have, which no node would read.
    """

    def __init__(
        self,
        conf_source: str | Path,
        env: str | None = None,
        *,
        generated_catalog: Callable[[str], dict[str, Any]] | None = None,
        **options: Any,
    ) -> None:
        folder = Path(conf_source)
        if env and folder.is_dir() and not (folder / env).is_dir():
            recipes = sorted(path.name for path in folder.iterdir() if path.is_dir())
            raise MissingConfigException(f"There is no recipe {env!r}; conf/ has: {', '.join(recipes)}.")
        super().__init__(conf_source, env, **options)
        self._generated_catalog = generated_catalog

    def __getitem__(self, key: str) -> dict[str, Any]:
        try:
            return self._layered(key)
        except yaml.constructor.ConstructorError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else "?"
            raise ValueError(
                f"a file of {key} in {self.conf_source} is refused, at its line {line}: {error.problem}; only plain "
                "YAML is read"
            ) from error

    def _layered(self, key: str) -> dict[str, Any]:
        was_set_by_hand = key in self
        values = self._merged_layers(key, was_set_by_hand=was_set_by_hand)
        if key == "parameters" and not was_set_by_hand:
            self._refuse_unknown_groups(values)
        return values

    def _merged_layers(self, key: str, *, was_set_by_hand: bool) -> dict[str, Any]:
        layer = outside_copy(Path(self.conf_source).absolute()) / _USER_LAYER
        values: dict[str, Any] = super().__getitem__(key)
        if key == "catalog" and self._generated_catalog and not was_set_by_hand:
            generated = self._generated_catalog(self["globals"]["recipe"])
            values = self._merge_configs(generated, values, key, str(self.conf_source))
        if was_set_by_hand or not layer.is_dir() or (self.env or self.default_run_env) == _USER_LAYER:
            return values
        user_values = self.load_and_merge_dir_config(
            str(layer), self.config_patterns[key], key, set(), key == "credentials"
        )
        merged: dict[str, Any] = self._merge_configs(values, user_values, key, str(layer))
        return merged

    def _refuse_unknown_groups(self, values: dict[str, Any]) -> None:
        for group in values:
            if group not in self._known_groups:
                raise ValueError(
                    f"{group} is {values[group]!r}, and conf/{self.base_env} has no such group of parameters: "
                    f"{nearest(group, self._known_groups)}"
                )

    @cached_property
    def _known_groups(self) -> list[str]:  # once: Kedro asks for the parameters several times a run
        return list(shared_parameters(Path(self.conf_source), str(self.base_env)))
