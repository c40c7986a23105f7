"""A project whose MLflow database exists already: making one takes seconds."""

import shutil
from pathlib import Path

import pytest
from mlflow import MlflowClient

from dino_pipeline import tracking
from dino_pipeline.tracking import opening
from dino_pipeline.tracking.store import _create_database


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database that MLflow has just made."""
    file = tmp_path_factory.mktemp("store") / "mlflow.db"
    _create_database(file)
    return file


@pytest.fixture
def project(tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that tracking is configured for."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(opening, "_store", None)
    (tmp_path / "mlruns").mkdir()
    shutil.copy(empty_database, tmp_path / "mlruns" / "mlflow.db")
    tracking.configure(tmp_path, {"recipe": "smoke"})
    return tmp_path


@pytest.fixture
def client(project: Path) -> MlflowClient:
    """An independent view of the project's store."""
    return MlflowClient(tracking_uri=f"sqlite:///{project / 'mlruns' / 'mlflow.db'}")
