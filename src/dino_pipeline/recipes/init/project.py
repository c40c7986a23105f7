"""The folder for a recipe: a checkout of dino_pipeline, or a small project that runs the package."""

import json
import re
import shutil
import tomllib
from importlib.metadata import version
from pathlib import Path

from dino_pipeline.dino.partial import written_whole
from dino_pipeline.workspace.project_folder import conf_folder

_LAYERS = (
    "01_raw",
    "02_intermediate",
    "03_primary",
    "04_feature",
    "05_model_input",
    "06_models",
    "07_model_output",
    "08_reporting",
)

_PYPROJECT = """\
# A project folder of dino_pipeline: the configuration and the data are here, the code is the installed package.
[tool.kedro]
package_name = "dino_pipeline"
project_name = {name}
kedro_init_version = "{kedro}"
source_dir = "."
"""

_IGNORED = """\
/data/**
!/data/**/
!/data/**/.gitkeep
!/data/**/*.dvc
/mlruns/*
!/mlruns/.gitkeep
/conf/local/*
!/conf/local/.gitkeep
/*.db
/artifacts/
.viz/
dvc_plots/
"""


def prepare_project(folder: Path, *, recipe: str) -> bool:
    """Make `folder` a project where it is none. Returns whether it was made.

    Raises:
        ValueError: the folder contains another project.
    """
    pyproject = folder / "pyproject.toml"
    if pyproject.exists():
        settings = tomllib.loads(pyproject.read_text()).get("tool", {}).get("kedro", {})
        if settings.get("package_name") != "dino_pipeline":
            raise ValueError(
                f"{pyproject} belongs to another project: give a new folder, or a checkout of dino_pipeline."
            )
        return False
    for layer in (*(f"data/{name}" for name in _LAYERS), "mlruns", "conf/local"):
        (folder / layer).mkdir(parents=True, exist_ok=True)
        (folder / layer / ".gitkeep").touch()
    shipped = conf_folder()
    (folder / "conf" / "base").mkdir(exist_ok=True)
    # The content alone: an installed package may be read-only, and a mask may make files private.
    for file in (*(shipped / "base").iterdir(), shipped / "logging.yml"):
        shutil.copyfile(file, folder / "conf" / file.relative_to(shipped))
    (folder / "conf" / "dvc_recipe.yml").write_text(
        f"# What `dvc repro` runs: a folder of conf/.\nrecipe: {recipe}\n"
    )
    (folder / ".gitignore").write_text(_IGNORED)
    (folder / ".telemetry").write_text("consent: false\n")
    for stages in ("dvc.yaml", "evaluations/dvc.yaml"):
        (folder / stages).parent.mkdir(exist_ok=True)
        (folder / stages).write_text(_without_code((shipped.parent / stages).read_text()))
    # Last, since this file identifies a project.
    with written_whole(pyproject) as partial:
        partial.write_text(
            _PYPROJECT.format(
                name=json.dumps(folder.resolve().name, ensure_ascii=False), kedro=version("kedro")
            )
        )
    return True


def _without_code(stages: str) -> str:
    """Stages that watch no code, since this project has none. A stage may then have no list of dependencies."""
    stages = re.sub(r"^ *- src/.*\n", "", stages, flags=re.MULTILINE)
    return re.sub(r"^    deps:\n(?!      )", "", stages, flags=re.MULTILINE)
