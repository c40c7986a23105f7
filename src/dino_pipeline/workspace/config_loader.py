"""Load configuration in three layers: conf/base, then the recipe (`--env`), then the user's conf/local."""

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import yaml
from kedro.config import MissingConfigException, OmegaConfigLoader
from omegaconf import OmegaConf
from omegaconf.errors import OmegaConfBaseException

from dino_pipeline.dino.weights.older_files import completed
from dino_pipeline.workspace.experiment_copy import outside_copy
from dino_pipeline.workspace.names import check_recipe_name
from dino_pipeline.workspace.overlays import merged
from dino_pipeline.workspace.parameter_errors import nearest
from dino_pipeline.workspace.project_folder import conf_folder
from dino_pipeline.workspace.yaml_files import line_of, slip

_USER_LAYER = "local"
DEMO = "demo"  # the recipe that `kedro run` runs without `--env`, in projects that have it
MERGE_STRATEGY = {"parameters": "soft", "globals": "soft", "catalog": "soft"}

# Earlier modules of dataset types: catalogs of projects from older versions name them.
_MOVED_TYPES = {
    "dino_pipeline.datasets": "dino_pipeline.project.datasets",
    "dino_pipeline.evaluation_datasets": "dino_pipeline.project.evaluation_datasets",
}

logger = logging.getLogger(__name__)


def shared_parameters(conf_source: Path, recipe: str) -> dict[str, Any]:
    """The shared parameters of a recipe: conf/base and the recipe, without the user's conf/local and `--params`.

    Raises:
        MissingConfigException: the recipe does not exist.
    """
    loader = LayeredConfigLoader(
        conf_source,
        recipe,
        user_layer=None,
        base_env="base",
        default_run_env="base",
        merge_strategy=MERGE_STRATEGY,
    )
    return loader["parameters"]


def files_to_merge(recipe: Path) -> list[Path]:
    """The files of a recipe beside `parameters.yml`; empty for a recipe of one file."""
    return sorted([*recipe.glob("parameters_*.yml"), *recipe.glob("globals.yml")])


class LayeredConfigLoader(OmegaConfigLoader):
    """Merges the layers key by key. `--params` overrides all layers.

    Kedro's own loader has two layers, so `--env` would leave conf/local out. The entries that `generated_catalog` makes
    for the recipe's name lie below the files of the catalog.

    The folder names the recipe: `${globals:recipe}` in the catalog and `params:recipe` are its name. Without `--env` it
    is `default_run_env`'s, or the base layer's where that folder is missing or is the user's own. A `globals.yml` in a
    recipe of several files overrides it.

    Args:
        user_layer: the folder of the user's own layer; None leaves it out and allows unknown groups.

    Raises:
        MissingConfigException: the recipe does not exist; the text lists the existing ones.
        ValueError: a file contains more than plain YAML, such as a Python object by a tag; or a group of parameters is
            missing from conf/base, so that no node would read it.
    """

    def __init__(
        self,
        conf_source: str | Path,
        env: str | None = None,
        *,
        user_layer: str | None = _USER_LAYER,
        generated_catalog: Callable[[str], dict[str, Any]] | None = None,
        **options: Any,
    ) -> None:
        folder = Path(conf_source)
        if env and env not in (options.get("base_env"), options.get("default_run_env"), user_layer):
            try:
                check_recipe_name(env)
            except ValueError as error:
                raise ValueError(f"{error}. Rename the recipe's folder in {folder}.") from error
        if env and folder.is_dir() and not (folder / env).is_dir():
            recipes = sorted(path.name for path in folder.iterdir() if path.is_dir())
            raise MissingConfigException(f"There is no recipe {env!r}; conf/ has: {', '.join(recipes)}.")
        self.user_layer = user_layer
        self._generated_catalog = generated_catalog
        if not (folder / str(options.get("default_run_env"))).is_dir():
            options["default_run_env"] = options.get("base_env")
        super().__init__(conf_source, env, **options)
        layer = self.env or self.default_run_env
        self._recipe = self.base_env if layer == _USER_LAYER else layer
        if self._recipe != self.base_env:
            _warn_of_several_files(folder.absolute() / self._recipe)
        self["globals"] = self["globals"] | {"recipe": self._recipe_name()}

    def __getitem__(self, key: str) -> dict[str, Any]:
        if key != "globals":  # Kedro registers the resolver of the newest loader for all loaders
            OmegaConf.register_new_resolver("globals", self._global, replace=True)
        try:
            return self._layered(key)
        except MissingConfigException:
            raise
        except Exception as error:
            self._refuse_slips(key, error)
            if key == "parameters":
                self._refuse_slips(key, error, self._groups)
            raise

    def _global(self, name: str, *default: Any) -> Any:
        value = OmegaConf.select(OmegaConf.create(self["globals"]), name, default=(*default, None)[0])
        if value is None and not default:
            raise ValueError(f"${{globals:{name}}}: no globals.yml has {name}")
        return value

    def _layered(self, key: str) -> dict[str, Any]:
        values: dict[str, Any] = super().__getitem__(key)
        if key in self:  # set by hand
            return values
        if key == "catalog" and self._generated_catalog:
            later = self._later_entries(values)
            values = merged(merged(later, self._generated_catalog(self["globals"]["recipe"])), values)
        if (self.env or self.default_run_env) != self.user_layer:
            values = merged(values, self._user_values(key))
        if key == "catalog":
            _rename_types(values)
        if key == "parameters":
            own = self.base_env != self._recipe or self.user_layer
            if own and not all(isinstance(group, Mapping) for group in values.values()):
                self._refuse_slips(key, groups=self._groups)
            # A project from an older version has its own conf/base, without later fields and groups.
            values = self._later_groups(values) | {"recipe": self["globals"]["recipe"]} | completed(values)
            if self.user_layer:
                self._refuse_unknown_groups(values)
        return values

    def _later_groups(self, values: dict[str, Any]) -> dict[str, Any]:
        """The package's groups that the project lacks, except those that decide about data, models and measures."""
        if not values.keys() & set(self._watched_groups):
            return {}  # no conf/base of a project
        return {
            name: group
            for name, group in self._shipped_values("parameters").items()
            if name not in values and name not in self._watched_groups
        }

    def _later_entries(self, values: dict[str, Any]) -> dict[str, Any]:
        """The package's entries of the catalog that the project's own lacks."""
        if not values.keys() & {"project_folder", "training_folder"}:
            return {}  # no catalog of a project
        return {name: entry for name, entry in self._shipped_values("catalog").items() if name not in values}

    @cached_property
    def _watched_groups(self) -> list[str]:
        return list(yaml.safe_load((conf_folder() / "base" / "parameters.yml").read_text(encoding="utf-8")))

    def _shipped_values(self, key: str) -> dict[str, Any]:
        """Of the package's conf/base, which a project from an older version may lack."""
        shipped = conf_folder()
        is_own = Path(self.conf_source).absolute() == shipped
        return {} if is_own else self._values_of(shipped / "base", key)

    def _files(self, key: str) -> Iterator[Path]:
        """The files of all layers that parameters or other entries come from."""
        folders = [Path(self.conf_source) / str(self.base_env), Path(self.conf_source) / self._recipe]
        if self.user_layer:
            folders.append(outside_copy(Path(self.conf_source).absolute()) / self.user_layer)
        for folder in dict.fromkeys(folders):
            found = {file for pattern in self.config_patterns[key] for file in folder.glob(pattern)}
            yield from sorted(file for file in found if file.suffix in (".yml", ".yaml") and file.is_file())

    def _refuse_slips(self, key: str, error: Exception | None = None, groups: Collection[str] = ()) -> None:
        """Refuse the first file of the layers with a slip, by its line."""
        for file in self._files(key):
            if wrong := slip(file, groups, plain=isinstance(error, OmegaConfBaseException)):
                raise ValueError(wrong) from error

    def _recipe_name(self) -> str:
        own = self._values_of(Path(self.conf_source) / self._recipe, "globals")
        name: str = merged(own, self._user_values("globals")).get("recipe", self._recipe)
        return name

    def _user_values(self, key: str) -> dict[str, Any]:
        if self.user_layer is None:
            return {}
        layer = outside_copy(Path(self.conf_source).absolute()) / self.user_layer
        return self._values_of(layer, key) if layer.is_dir() else {}

    def _values_of(self, layer: Path, key: str) -> dict[str, Any]:
        values: dict[str, Any] = self.load_and_merge_dir_config(
            str(layer), self.config_patterns[key], key, set(), key == "credentials"
        )
        return values

    def _refuse_unknown_groups(self, values: dict[str, Any]) -> None:
        for group in values:
            if group not in self._known_groups:
                lines = ((file, line_of(file, group)) for file in self._files("parameters"))
                where = next((f"{file}, line {line}: " for file, line in lines if line), "")
                raise ValueError(
                    f"{where}{group} is {values[group]!r}, but conf/{self.base_env} has no such group of parameters: "
                    f"{nearest(group, self._known_groups)}"
                )

    @cached_property
    def _base(self) -> dict[str, Any]:  # once: Kedro reads the parameters several times a run
        return shared_parameters(Path(self.conf_source), str(self.base_env))

    @property
    def _known_groups(self) -> list[str]:
        return list(self._base)

    @property
    def _groups(self) -> list[str]:
        return [name for name, group in self._base.items() if isinstance(group, Mapping)]


def _rename_types(catalog: dict[str, Any]) -> None:
    for entry in catalog.values():
        for described in (entry, entry.get("dataset")) if isinstance(entry, dict) else ():
            if isinstance(described, dict) and isinstance(described.get("type"), str):
                module, _, name = described["type"].rpartition(".")
                described["type"] = f"{_MOVED_TYPES.get(module, module)}.{name}".removeprefix(".")


@cache  # a run makes several loaders
def _warn_of_several_files(recipe: Path) -> None:
    files = files_to_merge(recipe)
    if files:
        logger.warning(
            "conf/%s has %s and %d more, but a recipe is now one file, parameters.yml: merge them with "
            "`dino-pipeline merge-recipe %s`.",
            recipe.name,
            files[0].name,
            len(files) - 1,
            recipe.name,
        )
