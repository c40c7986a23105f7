"""Whatever of MLflow is away, whenever: training goes on, what it missed is kept, and is in the store once at last."""

import json
import logging
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import mlflow.artifacts
import mlflow.pyfunc
import pandas as pd
import pytest
from mlflow import MlflowClient

from dino_pipeline import tracking
from dino_pipeline.__main__ import main
from dino_pipeline.tracking import retry, store, tracker
from dino_pipeline.tracking.dataset import log_dataset
from dino_pipeline.tracking.registration import register_version
from dino_pipeline.tracking.sessions import log_session
from dino_pipeline.tracking.store import EXPERIMENT
from tests.ports import free_port

from .test_sessions import SUMMARY

MODEL = """
import mlflow.pyfunc

class Doubled(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input):
        return model_input * 2

mlflow.models.set_model(Doubled())
"""

SERVE = """
import sys
from mlflow.server import app
app.run("127.0.0.1", int(sys.argv[1]))
"""


@pytest.fixture(autouse=True)
def short_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "_SECONDS_TO_WAIT", 0.1)
    monkeypatch.setattr(retry, "_SECONDS_TO_FIRST_TRY", 0.0)
    monkeypatch.setattr(retry, "_SECONDS_BETWEEN_TRIES_AT_MOST", 0.0)


def train(project: Path, steps: range) -> None:
    """What a training logs, without one."""
    (project / "history.csv").write_text("step,loss\n")
    with tracking.open_model_run("f1", name="demo-f1") as run:
        run.log_params({"pretrain": {"epochs": 3}})
        run.log_json({"epochs": 3}, "configuration.json")
        log_dataset(run, SUMMARY, context="training")
        log_session(run, project, {"from_step": steps.start})
        for step in steps:
            run.log_rows([{"step": step, "loss": step / 2}])
        run.log_artifact(project / "history.csv")
    later = tracking.model_run("f1")
    later.log_metrics({"test/knn_20": 0.7})
    later.set_tags({"verdict": "learned"})


def everything(client: MlflowClient) -> dict[str, object]:
    """All that the store has of the one run."""
    experiment = client.get_experiment_by_name(EXPERIMENT)
    assert experiment is not None
    (run,) = client.search_runs([experiment.experiment_id])
    points = client.get_metric_history(run.info.run_id, "loss")
    folders = [None, "sessions", "sessions/1", "sessions/2"]
    files = {file.path for folder in folders for file in client.list_artifacts(run.info.run_id, folder)}
    return {
        "status": run.info.status,
        "name": run.info.run_name,
        "params": run.data.params,
        "loss": [(point.step, point.value) for point in points],
        "accuracies": [p.value for p in client.get_metric_history(run.info.run_id, "test/knn_20")],
        "inputs": len(run.inputs.dataset_inputs),
        "tags": {key: run.data.tags[key] for key in ("fingerprint", "recipe", "verdict", "resumed")},
        "files": files,
    }


def kept(project: Path) -> list[Path]:
    return list((project / "data" / ".unsent").glob("*/*.jsonl"))


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.message for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.fixture
def undisturbed(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> dict[str, object]:
    """What a store that always answers has in the end."""
    project = tmp_path_factory.mktemp("undisturbed")
    (project / "mlruns").mkdir()
    database = shutil.copy(empty_database, project / "mlruns" / "mlflow.db")
    tracking.configure(project, {"recipe": "smoke"})
    train(project, range(1, 4))
    return everything(MlflowClient(tracking_uri=f"sqlite:///{database}"))


def test_a_locked_database_costs_nothing_but_two_lines(
    undisturbed: dict[str, object],
    project: Path,
    client: MlflowClient,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(retry, "_SECONDS_TO_FIRST_TRY", 600.0)
    locking = sqlite3.connect(project / "mlruns" / "mlflow.db", isolation_level=None)
    locking.execute("BEGIN EXCLUSIVE")
    begun = time.monotonic()
    with caplog.at_level(logging.INFO):
        train(project, range(1, 4))
        tracking.remind_of_spool()
    assert time.monotonic() - begun < 10
    begins, reminds = warnings(caplog)
    assert "database is locked" in begins
    assert "dino-pipeline sync-mlflow" in reminds
    assert main(["sync-mlflow", "--project", str(project)]) == 1
    assert "all records stay in data/.unsent" in capsys.readouterr().err
    locking.close()

    before = project / "before"
    shutil.copytree(project / "data" / ".unsent", before)
    assert main(["sync-mlflow", "--project", str(project)]) == 0
    assert capsys.readouterr().out == "sent: demo-f1\n"
    assert everything(client) == undisturbed
    # A second time, as if every answer had been lost.
    shutil.copytree(before, project / "data" / ".unsent", dirs_exist_ok=True)
    assert main(["sync-mlflow", "--project", str(project)]) == 0
    assert everything(client) == undisturbed
    assert main(["sync-mlflow", "--project", str(project)]) == 0
    assert "Nothing to send" in capsys.readouterr().out.splitlines()[-1]


def test_artifacts_that_cannot_be_written_are_kept_while_curves_go_on(
    undisturbed: dict[str, object],
    project: Path,
    client: MlflowClient,
    caplog: pytest.LogCaptureFixture,
) -> None:
    artifacts = project / "mlruns" / "artifacts"
    artifacts.write_text("a file in the folder's place: root writes into any folder")
    with caplog.at_level(logging.INFO):
        train(project, range(1, 4))
    (begins,) = warnings(caplog)
    assert "does not accept artifacts" in begins
    assert [file.name for file in kept(project)] == ["artifacts.jsonl"]
    run = client.get_run(tracking.model_run("f1").run_id)
    assert (run.info.status, run.data.metrics["loss"]) == ("FINISHED", 1.5)
    artifacts.unlink()
    assert main(["sync-mlflow", "--project", str(project)]) == 0
    assert everything(client) == undisturbed


def test_sessions_of_an_outage_are_counted_after_those_before_it(project: Path, client: MlflowClient) -> None:
    train(project, range(1, 3))
    locking = sqlite3.connect(project / "mlruns" / "mlflow.db", isolation_level=None)
    locking.execute("BEGIN EXCLUSIVE")
    train(project, range(1, 5))  # a resumed training shows its whole history again
    locking.close()
    tracking.model_run("f1")  # the next stage sends what is kept, without being asked
    assert not kept(project)
    found = everything(client)
    assert found["tags"]["resumed"] == "1"  # type: ignore[index]
    assert found["loss"] == [(1, 0.5), (2, 1.0), (3, 1.5), (4, 2.0)]
    run_id = tracking.model_run("f1").run_id
    uri = client.get_run(run_id).info.artifact_uri
    assert mlflow.artifacts.load_dict(f"{uri}/sessions/2/session.json")["from_step"] == 1


def test_half_a_line_of_a_killed_process_is_no_record(project: Path, client: MlflowClient) -> None:
    locking = sqlite3.connect(project / "mlruns" / "mlflow.db", isolation_level=None)
    locking.execute("BEGIN EXCLUSIVE")
    run = tracking.model_run("f1", name="demo")
    run.log_metrics({"a": 1.0})
    (file,) = kept(project)
    with file.open("a") as opened:
        opened.write('{"kind": "metr')
    run.log_metrics({"b": 2.0})
    locking.close()
    assert main(["sync-mlflow", "--project", str(project)]) == 0
    assert client.get_run(tracking.model_run("f1").run_id).data.metrics == {"a": 1.0, "b": 2.0}


def test_a_registration_is_kept_and_made_once(project: Path, client: MlflowClient) -> None:
    (project / "model.py").write_text(MODEL)
    run = tracking.model_run("f1", name="demo")
    (project / "mlruns" / "artifacts").write_text("a file in the folder's place")
    registered = register_version(
        run,
        registered_name="dino-cats",
        alias="challenger",
        tags={"fingerprint": "f1"},
        description="a card",
        contents={"code": MODEL},
        write=lambda _: {"python_model": str(project / "model.py"), "pip_requirements": ["mlflow"]},
    )
    assert registered is None
    (project / "mlruns" / "artifacts").unlink()
    before = project / "before"
    shutil.copytree(project / "data" / ".unsent", before)
    for _ in range(2):
        assert main(["sync-mlflow", "--project", str(project)]) == 0
        shutil.copytree(before, project / "data" / ".unsent", dirs_exist_ok=True)
    (version,) = client.search_model_versions("name = 'dino-cats'")
    assert (version.tags["fingerprint"], version.description) == ("f1", "a card")
    assert client.get_model_version_by_alias("dino-cats", "challenger").version == version.version
    with store.global_address(client.tracking_uri):
        served = mlflow.pyfunc.load_model("models:/dino-cats@challenger")
    assert served.predict(pd.DataFrame({"x": [1, 2]}))["x"].tolist() == [2, 4]


def test_what_was_kept_for_another_store_stays(
    project: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://ann:secret@127.0.0.1:9")
    tracking.configure(project)
    tracking.model_run("f1", name="demo").log_metrics({"a": 1.0})
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert main(["sync-mlflow", "--project", str(project)]) == 1
    said = capsys.readouterr().err
    assert "contains records for http://127.0.0.1:9, but MLFLOW_TRACKING_URI is mlruns/mlflow.db" in said
    assert kept(project)
    written = "".join(f.read_text() for f in (project / "data" / ".unsent").rglob("*") if f.is_file())
    assert "secret" not in written


class Server:
    """MLflow's server on loopback, to be killed and started again; without its supervisor, which takes long."""

    def __init__(self, folder: Path, database: Path) -> None:
        self._folder = folder
        shutil.copy(database, folder / "mlflow.db")
        self.port = free_port()
        self.uri = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", SERVE, str(self.port)],
            env=os.environ
            | {
                "MLFLOW_DISABLE_TELEMETRY": "true",
                "_MLFLOW_SERVER_FILE_STORE": f"sqlite:///{self._folder / 'mlflow.db'}",
                "_MLFLOW_SERVER_ARTIFACT_ROOT": "mlflow-artifacts:/",
                "_MLFLOW_SERVER_ARTIFACT_DESTINATION": str(self._folder / "artifacts"),
                "_MLFLOW_SERVER_SERVE_ARTIFACTS": "true",
            },
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + 120
        while socket.socket().connect_ex(("127.0.0.1", self.port)):
            assert time.monotonic() < deadline, "the server never listened"
            time.sleep(0.1)

    def kill(self) -> None:
        os.killpg(self._process.pid, 9)
        self._process.wait()


@pytest.fixture
def server(tmp_path: Path, empty_database: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    (tmp_path / "served").mkdir()
    served = Server(tmp_path / "served", empty_database)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", served.uri)
    monkeypatch.setattr(tracker, "_store", None)
    tracking.configure(tmp_path, {"recipe": "smoke"})
    served.start()
    yield served
    served.kill()


def test_a_server_that_is_killed_and_comes_back_has_all_of_it_once(
    undisturbed: dict[str, object], tmp_path: Path, server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    tracking.configure(tmp_path, {"recipe": "smoke"})
    (tmp_path / "history.csv").write_text("step,loss\n")
    with caplog.at_level(logging.INFO), tracking.open_model_run("f1", name="demo-f1") as run:
        run.log_params({"pretrain": {"epochs": 3}})
        log_dataset(run, SUMMARY, context="training")
        log_session(run, tmp_path, {"from_step": 1})
        run.log_rows([{"step": 1, "loss": 0.5}])
        server.kill()
        run.log_rows([{"step": 2, "loss": 1.0}])
        run.log_json({"epochs": 3}, "configuration.json")
        server.start()
        run.log_rows([{"step": 3, "loss": 1.5}])
        run.log_artifact(tmp_path / "history.csv")
    later = tracking.model_run("f1")
    later.log_metrics({"test/knn_20": 0.7})
    later.set_tags({"verdict": "learned"})
    begins, ends = warnings(caplog)
    assert "does not accept records" in begins
    assert "accepts records again" in ends
    assert not kept(tmp_path)
    assert everything(MlflowClient(tracking_uri=server.uri)) == undisturbed


def test_a_spool_that_an_older_version_wrote_is_sent(
    project: Path, client: MlflowClient, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = project / "data" / ".unsent" / "fingerprint-f9"
    (folder / "files" / "1").mkdir(parents=True)
    (folder / "files" / "1" / "a.txt").write_text("a")
    opening = {
        "store": "mlruns/mlflow.db",
        "found_by": ["fingerprint", "f9"],
        "name": "demo-f9",
        "tags": {"fingerprint": "f9"},
        "started": 1_700_000_000_000,
        "is_training": True,
    }
    (folder / "opening.json").write_text(json.dumps(opening))
    rows = {"kind": "rows", "rows": [{"time": 1_700_000_001_000, "step": 2, "values": {"loss": 0.5}}]}
    ended = {"kind": "status", "status": "FINISHED", "time": 1_700_000_002_000}
    (folder / "records.jsonl").write_text("".join(json.dumps(record) + "\n" for record in (rows, ended)))
    file = {"kind": "file", "folder": None, "source": "files/1/a.txt"}
    (folder / "artifacts.jsonl").write_text(json.dumps(file) + "\n")
    assert main(["sync-mlflow", "--project", str(project)]) == 0
    assert capsys.readouterr().out == "sent: demo-f9\n"
    run = client.get_run(tracking.model_run("f9").run_id)
    assert (run.info.status, run.data.metrics) == ("FINISHED", {"loss": 0.5})
    assert [file.path for file in client.list_artifacts(run.info.run_id)] == ["a.txt"]
    assert not folder.exists()
