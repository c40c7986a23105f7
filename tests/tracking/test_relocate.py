"""A project that was moved finds its artifacts again after one command."""

import logging
import shutil
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient

from dino_pipeline import tracking
from dino_pipeline.__main__ import main
from dino_pipeline.tracking import runs
from dino_pipeline.tracking.relocate import repair_addresses
from tests.model_registry.conftest import register


@pytest.fixture
def moved(
    tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[Path, Path]]:
    """Where a project with a registered model was, and where it is."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    before, now = tmp_path / "before é, as copied", tmp_path / "now, renamed"
    (before / "mlruns").mkdir(parents=True)
    shutil.copy(empty_database, before / "mlruns" / "mlflow.db")
    tracking.configure(before, {"recipe": "smoke"})
    register(before, seed=0, fingerprint="abc")
    tracking.model_run("abc").log_json({"a": 1}, "metrics.json")
    before.rename(now)
    runs._warn_of_move.cache_clear()
    yield before, now
    runs._warn_of_move.cache_clear()


def test_after_a_repair_the_registered_model_loads_and_the_run_shows_its_artifacts(
    moved: tuple[Path, Path], capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    before, now = moved
    database = now / "mlruns" / "mlflow.db"
    untouched = database.read_bytes()
    assert main(["repair-artifacts", "--project", str(now), "--dry-run"]) == 0
    shown = capsys.readouterr().out
    assert "Would rewrite" in shown
    assert "1 rows of logged_models.artifact_location" in shown
    assert database.read_bytes() == untouched
    tracking.configure(now)
    with caplog.at_level(logging.WARNING):
        assert tracking.model_run("abc").run_id
    assert (
        f"still writes its artifacts to {before}/mlruns/artifacts: run `dino-pipeline repair" in caplog.text
    )

    assert main(["repair-artifacts", "--project", str(now)]) == 0
    assert "Rewrote" in capsys.readouterr().out
    with sqlite3.connect(database) as opened:
        dump = "\n".join(opened.iterdump())
    assert before.name not in dump.replace(f"'mlflow.source.name','{before.name}'", "")
    assert before.as_uri() not in dump

    from mlflow.artifacts import download_artifacts
    from mlflow.pyfunc import load_model

    uri = f"sqlite:///{database}"
    run = MlflowClient(uri, uri).get_model_version_by_alias("dino-smoke", "challenger").run_id
    assert Path(download_artifacts(run_id=run, artifact_path="metrics.json", tracking_uri=uri)).is_file()
    with tracking.store.global_address(uri):
        model = load_model("models:/dino-smoke@challenger")
    assert model.predict(np.zeros((1, 24, 24, 3), np.uint8)).shape == (1, 24)

    assert main(["repair-artifacts", "--project", str(now)]) == 0
    assert capsys.readouterr().out.startswith("Nothing to repair")
    assert not before.exists()


def test_only_addresses_below_the_folder_of_before_change_and_at_an_error_none(
    client: MlflowClient, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = tracking.configure(project)
    (run,) = [tracking.model_run("f1").run_id]
    (project / "mlruns" / "artifacts").mkdir(exist_ok=True)
    database = sqlite3.connect(project / "mlruns" / "mlflow.db", isolation_level=None)
    database.execute(
        "UPDATE experiments SET artifact_location = 'file:///old/mlruns/artifacts' WHERE name = 'dino_pipeline'"
    )
    elsewhere = "file:///old/mlruns2/artifacts/r"
    database.execute("UPDATE runs SET artifact_uri = ?", [elsewhere])
    with monkeypatch.context() as patch:
        columns = (("experiments", "artifact_location"), ("runs", "no_such_column"))
        patch.setattr("dino_pipeline.tracking.relocate.ADDRESSES", columns)
        with pytest.raises(ValueError, match="no_such_column"):
            repair_addresses(store, dry_run=False)
    (experiment,) = [found for found in client.search_experiments() if found.name == "dino_pipeline"]
    assert experiment.artifact_location == "file:///old/mlruns/artifacts"
    assert repair_addresses(store, dry_run=False).num_rows["experiments.artifact_location"] == 1
    assert client.get_run(run).info.artifact_uri == elsewhere


def test_what_cannot_be_repaired_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    assert main(["repair-artifacts", "--project", str(tmp_path)]) == 1
    assert "does not exist" in capsys.readouterr().err
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking.example.org")
    assert main(["repair-artifacts", "--project", str(tmp_path)]) == 1
    assert "http://tracking.example.org" in capsys.readouterr().err
