"""MLFLOW_TRACKING_URI as tutorials write it: a relative file is the project's; what cannot work is refused."""

import shutil
import sqlite3
from pathlib import Path

import pytest

from dino_pipeline import tracking
from dino_pipeline.tracking import tracker
from dino_pipeline.tracking.address import database_address

PROJECT = Path("/home/me/project")


def store_of(address: str, monkeypatch: pytest.MonkeyPatch, project: Path = PROJECT) -> str:
    monkeypatch.setattr(tracker, "_store", None)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
    return tracking.configure(project).uri


@pytest.mark.parametrize(
    ("address", "file"),
    [
        ("", "/home/me/project/mlruns/mlflow.db"),
        ("  ", "/home/me/project/mlruns/mlflow.db"),
        ("sqlite:///mlflow.db", "/home/me/project/mlflow.db"),
        ("sqlite:///./runs/x.db", "/home/me/project/runs/x.db"),
        ("sqlite:///../shared.db", "/home/me/shared.db"),
        ("sqlite:////abs/x.db", "/abs/x.db"),
        ("sqlite+pysqlite:///mlflow.db", "/home/me/project/mlflow.db"),
        ("sqlite:///my runs.db ", "/home/me/project/my runs.db"),
        ("sqlite:///my%20runs.db", "/home/me/project/my runs.db"),
        ("sqlite:///~/mlflow.db", str(Path("~/mlflow.db").expanduser())),
    ],
)
def test_a_relative_file_is_the_projects(
    address: str, file: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert store_of(address, monkeypatch) == f"sqlite:///{file}"
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:5000/", "https://mlflow.lab", "postgresql://me@db/runs"]
)
def test_a_server_stays_as_it_is(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert store_of(address, monkeypatch) == address


@pytest.mark.parametrize(
    ("address", "advice"),
    [
        ("mlruns", "sqlite:///mlruns/mlflow.db"),
        ("file:./mlruns", "sqlite:///mlruns/mlflow.db"),
        ("file:///abs/my%20runs", "sqlite:////abs/my runs/mlflow.db"),
        ("file://mlruns", "one slash or three"),
        ("mlflow.db", "sqlite:///mlflow.db"),
        ("localhost:5000", "http://localhost:5000"),
        ("127.0.0.1:5000/mlflow", "http://127.0.0.1:5000/mlflow"),
        ("http:///mlruns", "http://host:5000"),
        ("htp://host:5000", "http://host:5000"),
        ("s3://bucket/mlruns", "http://host:5000"),
        (r"C:\mlruns", "sqlite:///mlruns/mlflow.db"),
        ("sqlite://mlflow.db", "sqlite:///mlflow.db"),
        ("sqlite:mlflow.db", "sqlite:///mlflow.db"),
        ("sqlite://", "three slashes"),
        ("sqlite:///:memory:", "name a file"),
        ("sqlite:///runs/", "name a file"),
        ("databricks", "DATABRICKS_HOST"),
        ("databricks://profile", "DATABRICKS_HOST"),
        ("postgres://me:secret@db/runs", "postgresql://user@host/database"),
        ("mysql+pymysql://me:secret@db/runs", "driver pymysql is not installed"),
    ],
)
def test_what_cannot_work_is_refused_in_one_line(
    address: str, advice: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DATABRICKS_HOST", "MLFLOW_ALLOW_FILE_STORE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", "/nowhere")
    with pytest.raises(ValueError, match="MLFLOW_TRACKING_URI is") as caught:
        store_of(address, monkeypatch)
    assert advice in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_folder_is_a_store_where_mlflow_is_told_to_allow_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    assert store_of("./my runs", monkeypatch) == "file:///home/me/project/my%20runs"


def test_a_studys_database_is_the_projects_too() -> None:
    assert (
        database_address("sqlite:///tune.db", PROJECT, name="tune.storage") == f"sqlite:///{PROJECT}/tune.db"
    )
    with pytest.raises(ValueError, match=r"tune\.storage is 'studies\.db': use postgresql"):
        database_address("studies.db", PROJECT, name="tune.storage")


@pytest.mark.parametrize("folder", ["50% off?", "a #1 'b\" c", "Größe 犬"])
def test_runs_are_where_the_address_says_and_nothing_else_is_left(
    folder: str, tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, elsewhere = tmp_path / folder, tmp_path / "elsewhere"
    elsewhere.mkdir()
    project.mkdir()
    shutil.copy(empty_database, project / "mlflow.db")
    monkeypatch.chdir(elsewhere)
    # as MLflow reads an address, a % starts a code and a ? starts options
    store_of("sqlite:///mlflow.db", monkeypatch, project)
    tracking.model_run("abc").log_text("x", "note.txt")
    with sqlite3.connect(project / "mlflow.db") as database:
        assert database.execute("SELECT count(*) FROM runs").fetchone() == (1,)
    assert sorted(one.name for one in project.iterdir()) == ["artifacts", "mlflow.db"]
    assert len(list((project / "artifacts").rglob("note.txt"))) == 1
    assert not list(elsewhere.iterdir())
    assert {one.name for one in tmp_path.iterdir()} == {folder, "elsewhere"}


def test_a_new_database_replaces_none_that_another_process_has_made(
    tmp_path: Path, empty_database: Path
) -> None:
    from dino_pipeline.tracking.store import _create_database

    file = tmp_path / "mlflow.db"
    shutil.copy(empty_database, file)
    with sqlite3.connect(file) as database:
        database.execute("CREATE TABLE mine (x)")
    _create_database(file)
    with sqlite3.connect(file) as database:
        assert database.execute("SELECT count(*) FROM mine").fetchone() == (0,)
    assert list(tmp_path.iterdir()) == [file]
