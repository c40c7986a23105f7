"""What every test may ask for: the golden numbers, the real images, and quiet threads."""

import gc
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import torch
from hypothesis import settings

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlflow import MlflowClient

    from tests.registered import RegisteredProject

torch.set_num_threads(1)
# The same examples on every machine, however slow it is at the moment.
settings.register_profile("same_everywhere", deadline=None, derandomize=True, database=None)
settings.load_profile("same_everywhere")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked `early` first; else in the order that they are found in."""
    items.sort(key=lambda item: item.get_closest_marker("early") is None)


@pytest.fixture(scope="session")
def golden() -> Path:
    """The folder of reference numbers; GOLDEN_DIR points at another one."""
    return Path(os.environ.get("GOLDEN_DIR", Path(__file__).parent / "golden"))


@pytest.fixture(scope="session")
def datasets() -> Path:
    """Real images; DATASETS_DIR points elsewhere. Skips where there are none."""
    default = Path(__file__).parents[2] / "shared" / "datasets"
    folder = Path(os.environ.get("DATASETS_DIR", default))
    if not folder.is_dir():
        pytest.skip(f"no real images: {folder} does not exist (set DATASETS_DIR)")
    return folder


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that MLflow has just made, which takes seconds."""
    from dino_pipeline.tracking.store import _create_database

    file = tmp_path_factory.mktemp("store") / "mlflow.db"
    _create_database(file)
    return file


@pytest.fixture
def project(tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that tracking is configured for."""
    from dino_pipeline import tracking
    from dino_pipeline.tracking import tracker

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(tracker, "_store", None)
    (tmp_path / "mlruns").mkdir()
    shutil.copy(empty_database, tmp_path / "mlruns" / "mlflow.db")
    tracking.configure(tmp_path, {"recipe": "smoke"})
    return tmp_path


@pytest.fixture
def client(project: Path) -> "MlflowClient":
    """An independent view of the project's store."""
    from mlflow import MlflowClient

    uri = f"sqlite:///{project / 'mlruns' / 'mlflow.db'}"
    # else the one that another test registered a model in
    return MlflowClient(tracking_uri=uri, registry_uri=uri)


@pytest.fixture(scope="session")
def registered(
    tmp_path_factory: pytest.TempPathFactory, empty_database: Path
) -> "Iterator[RegisteredProject]":
    """A project in git with two registered models; make names of your own in it with `add_model`."""
    from dino_pipeline.tracking import tracker
    from tests.registered import make_project

    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setattr(tracker, "_store", None)
        yield make_project(tmp_path_factory.mktemp("registered"), empty_database)


@pytest.fixture
def published_model(tmp_path: Path) -> Path:
    """The folder of a small ViT with three heads and a patch of 8, as the recipe `tiny` of a project."""
    from tests.published import TINY_VIT, publish

    return publish(tmp_path / "project" / "data" / "06_models" / "tiny", TINY_VIT)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB; it takes a privileged user to mount one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounting = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "none", str(folder)], capture_output=True, check=False
    )
    if mounting.returncode:
        pytest.skip("only root may mount a small file system")
    yield folder
    gc.collect()  # a training in this process has mapped its rows from a file there
    # MLflow's pool keeps databases open
    subprocess.run(["umount", "--lazy", str(folder)], check=True)
