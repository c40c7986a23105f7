"""Find the models of rows that are trained already, by run or any other name, and those of DVC experiments."""

import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

import yaml

from dino_pipeline.dino.partial import partial_path
from dino_pipeline.dino.weights.published import DESCRIPTION
from dino_pipeline.experiments.compare.config import CompareConfig
from dino_pipeline.model_registry.model_lookup import find_weights


def existing_models(
    config: CompareConfig, project_folder: Path, experiments_folder: Path
) -> dict[str, list[Path]]:
    """Find the folders of the models of each row in `runs` and `experiments`.

    Args:
        experiments_folder: receives the models of experiments.

    Raises:
        ValueError: a model does not exist; the text names its row.
    """

    def find(name: str) -> Path:
        return find_weights(name, project_folder).folder

    def bring(name: str) -> Path:
        return _model_of_revision(name, project_folder, experiments_folder)

    return _each(config.runs, "runs", find) | _each(config.experiments, "experiments", bring)


def _each(
    rows: Mapping[str, tuple[str, ...]], kind: str, find: Callable[[str], Path]
) -> dict[str, list[Path]]:
    found = {}
    for row, names in rows.items():
        try:
            found[row] = [find(name) for name in names]
        except ValueError as error:
            raise ValueError(f"compare.{kind}, row {row!r}: {error}") from error
    return found


def _model_of_revision(revision: str, project_folder: Path, experiments_folder: Path) -> Path:
    """Copy the model that a DVC experiment, or any other revision, made with its own recipe."""
    from dvc.api import DVCFileSystem
    from dvc.exceptions import DvcException
    from dvc.repo import Repo
    from dvc.scm import SCMError

    try:
        with Repo(str(project_folder), rev=revision) as repo:
            files = DVCFileSystem(repo)
            recipe = yaml.safe_load(files.read_text("conf/dvc_recipe.yml"))["recipe"]
            folder = experiments_folder / str(repo.get_rev())
            if not (folder / DESCRIPTION).is_file():
                experiments_folder.mkdir(parents=True, exist_ok=True)
                partial = partial_path(folder)
                shutil.rmtree(partial, ignore_errors=True)
                files.get(f"data/06_models/{recipe}", str(partial), recursive=True)
                partial.rename(folder)
    except (DvcException, SCMError, OSError) as error:
        raise ValueError(f"the model of revision {revision!r} cannot be read ({error})") from error
    return folder
