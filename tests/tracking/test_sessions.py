"""Every start of a training is a record of its run, and the data are an input of it."""

import json
import subprocess
from pathlib import Path

import mlflow.artifacts
import mlflow.data
import pytest
from mlflow import MlflowClient

from dino_pipeline import tracking
from dino_pipeline.tracking.dataset import log_dataset
from dino_pipeline.tracking.sessions import log_session

SUMMARY = {
    "name": "cats",
    "source": "/photos/cats",
    "digest": 64 * "a",
    "num_images": 3,
    "splits": {"train": 2, "val": 1, "test": 0},
    "num_classes": 2,
    "classes": {"tabby": 2, "lynx": 1},
    "is_labelled": True,
    "quarantined": {},
}


def test_a_resumption_adds_a_record_with_its_own_step_and_edits(client: MlflowClient, project: Path) -> None:
    git = ["git", "-C", str(project), "-c", "user.name=n", "-c", "user.email=e@example.org"]
    (project / "code.py").write_text("a = 1\n")
    for command in (["init", "-q"], ["add", "code.py"], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *command], check=True)
    killed = tracking.open_model_run("f1", name="demo")
    log_session(killed, project, {"from_step": 0, "processes": 2})
    killed.finish("KILLED")
    (project / "code.py").write_text("a = 2\n")
    with tracking.open_model_run("f1", name="demo") as run:
        log_session(run, project, {"from_step": 120, "processes": 1})

    found = client.get_run(run.run_id)
    assert found.data.tags["resumed"] == "1"
    first, second = (
        mlflow.artifacts.load_dict(f"{found.info.artifact_uri}/sessions/{number}/session.json")
        for number in (1, 2)
    )
    assert (first["from_step"], first["processes"], first["git_dirty"]) == (0, 2, "false")
    assert (second["from_step"], second["processes"], second["git_dirty"]) == (120, 1, "true")
    assert first["begun"] <= second["begun"]
    files = {
        number: {file.path for file in client.list_artifacts(run.run_id, f"sessions/{number}")}
        for number in (1, 2)
    }
    assert files[2] - {path.replace("/1/", "/2/") for path in files[1]} == {"sessions/2/uncommitted.diff"}
    patch = mlflow.artifacts.load_text(f"{found.info.artifact_uri}/sessions/2/uncommitted.diff")
    assert "-a = 1\n+a = 2" in patch


def test_an_experiment_of_dvc_that_finds_a_model_trained_is_named_by_its_run(
    client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with tracking.open_model_run("f1", name="demo"):
        pass
    monkeypatch.setenv("DVC_EXP_NAME", "mossy-fern")
    with tracking.open_model_run("f1", name="demo") as run:
        pass
    assert client.get_run(run.run_id).data.tags["dvc.exp_name"] == "mossy-fern"


def test_a_dataset_is_an_input_with_name_digest_counts_and_columns(client: MlflowClient) -> None:
    run = tracking.model_run("f1")
    for _ in range(2):
        log_dataset(run, SUMMARY, context="training")
    (used,) = client.get_run(run.run_id).inputs.dataset_inputs
    assert (used.dataset.name, used.dataset.digest) == ("cats", 36 * "a")
    assert [(tag.key, tag.value) for tag in used.tags] == [("mlflow.data.context", "training")]
    assert mlflow.data.get_source(used).uri == "/photos/cats"
    profile = json.loads(used.dataset.profile)
    assert profile["digest"] == SUMMARY["digest"]
    assert (profile["splits"], profile["classes"]) == (SUMMARY["splits"], SUMMARY["classes"])
    from mlflow.types import Schema

    columns = Schema.from_json(json.dumps(json.loads(used.dataset.schema)["mlflow_colspec"]))
    assert columns.input_names() == [
        "path",
        "member",
        "offset",
        "split",
        "label",
        "width",
        "height",
        "bytes",
        "sha256",
        "group",
    ]
    assert columns.required_input_names() == ["path", "split", "width", "height", "bytes", "sha256"]
