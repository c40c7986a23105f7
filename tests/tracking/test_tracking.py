"""One model is one run, whatever happens on the way."""

import logging
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from mlflow import MlflowClient

from dino_pipeline import tracking
from dino_pipeline.tracking.registration import fitting
from dino_pipeline.tracking.run import flatten
from dino_pipeline.tracking.store import _create_database, in_short


def history(client: MlflowClient, run_id: str, name: str) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in client.get_metric_history(run_id, name)]


def test_a_finished_training_is_a_finished_run(client: MlflowClient) -> None:
    with tracking.open_model_run("f1", name="demo-f1", tags={"data_hash": "d1"}) as run:
        assert client.get_run(run.run_id).info.status == "RUNNING"
    found = client.get_run(run.run_id)
    assert found.info.status == "FINISHED"
    assert found.info.run_name == "demo-f1"
    wanted = {"fingerprint": "f1", "data_hash": "d1", "recipe": "smoke"}
    assert wanted.items() <= found.data.tags.items()


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_an_interrupted_training_is_a_killed_run(client: MlflowClient, error: type[BaseException]) -> None:
    with pytest.raises(error), tracking.open_model_run("f1", name="demo") as run:
        raise error
    assert client.get_run(run.run_id).info.status == "KILLED"


def test_a_failed_training_is_a_failed_run_that_says_why(client: MlflowClient) -> None:
    with pytest.raises(ValueError, match="too hot"), tracking.open_model_run("f1", name="demo") as run:
        raise ValueError("too hot")
    found = client.get_run(run.run_id)
    assert found.info.status == "FAILED"
    assert found.data.tags["error"] == "ValueError: too hot"


def test_resuming_reopens_the_run_and_sends_only_newer_steps(client: MlflowClient) -> None:
    first = tracking.open_model_run("f1", name="demo")
    first.log_rows([{"step": step, "loss": step / 2} for step in (10, 20)])
    first.finish("KILLED")
    with tracking.open_model_run("f1", name="demo") as second:
        assert client.get_run(second.run_id).info.status == "RUNNING"
        second.log_rows([{"step": step, "loss": step / 2} for step in (10, 20, 30)])
    assert second.run_id == first.run_id
    assert history(client, first.run_id, "loss") == [(10, 5.0), (20, 10.0), (30, 15.0)]
    assert client.get_run(first.run_id).info.status == "FINISHED"


@pytest.mark.usefixtures("project")
def test_another_fingerprint_is_another_run() -> None:
    assert tracking.open_model_run("f1", name="a").run_id != tracking.open_model_run("f2", name="b").run_id


def test_blank_cells_of_a_row_are_no_metrics(client: MlflowClient) -> None:
    with tracking.open_model_run("f1", name="demo") as run:
        run.log_rows([{"step": 1, "loss": 2.0, "knn": float("nan")}, {"step": 2, "loss": 1.0, "knn": 0.5}])
    assert history(client, run.run_id, "knn") == [(2, 0.5)]


def test_two_files_of_one_training_may_have_the_same_steps(client: MlflowClient) -> None:
    with tracking.open_model_run("f1", name="demo") as run:
        run.log_rows([{"step": 1, "loss": 2.0}])
        run.log_rows([{"step": 1, "images_per_second": 50.0}])
    assert history(client, run.run_id, "images_per_second") == [(1, 50.0)]


def test_more_rows_than_one_request_takes_all_arrive(client: MlflowClient) -> None:
    with tracking.open_model_run("f1", name="demo") as run:
        run.log_rows([{"step": step, "loss": 0.0, "images_seen": step * 8} for step in range(1100)])
    assert len(history(client, run.run_id, "images_seen")) == 1100


def test_parameters_are_logged_flat_and_a_second_time_change_nothing(client: MlflowClient) -> None:
    with tracking.open_model_run("f1", name="demo") as run:
        run.log_params({"pretrain": {"epochs": 3, "crops": [0.4, 1.0]}})
        run.log_params({"pretrain": {"epochs": 4}, "long": "x" * 7000})
    found = client.get_run(run.run_id).data.params
    assert found["pretrain.epochs"] == "3"
    assert found["pretrain.crops"] == "[0.4, 1.0]"
    assert len(found["long"]) == 6000


def test_later_stages_write_to_the_run_that_trained_the_model(client: MlflowClient, tmp_path: Path) -> None:
    with tracking.open_model_run("f1", name="demo") as trained:
        pass
    (tmp_path / "picture.png").write_bytes(b"png")
    run = tracking.model_run("f1")
    run.log_metrics({"test/knn_20": 0.7})
    run.log_json({"knn": 0.7}, "evaluation/metrics.json")
    run.log_artifact(tmp_path / "picture.png", "evaluation")
    assert run.run_id == trained.run_id
    found = client.get_run(run.run_id)
    assert found.data.metrics == {"test/knn_20": 0.7}
    assert found.info.status == "FINISHED"
    assert "imported" not in found.data.tags
    files = {artifact.path for artifact in client.list_artifacts(run.run_id, "evaluation")}
    assert files == {"evaluation/metrics.json", "evaluation/picture.png"}


def test_a_model_that_no_run_made_gets_one_that_says_so(client: MlflowClient) -> None:
    run = tracking.model_run("pulled", name="from-a-colleague")
    found = client.get_run(run.run_id)
    assert found.data.tags["imported"] == "true"
    assert found.info.status == "FINISHED"
    assert tracking.model_run("pulled").run_id == run.run_id


def test_a_tag_can_be_taken_away(client: MlflowClient) -> None:
    run = tracking.model_run("f1")
    run.set_tags({"failed_after_training": "register"})
    run.remove_tag("failed_after_training")
    run.remove_tag("failed_after_training")
    assert "failed_after_training" not in client.get_run(run.run_id).data.tags


def test_threads_may_share_a_run(client: MlflowClient) -> None:
    with tracking.open_model_run("f1", name="demo") as run:
        threads = [
            threading.Thread(target=run.log_metrics, args=({f"metric_{index}": 1.0},)) for index in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(client.get_run(run.run_id).data.metrics) == 8


def test_a_commit_and_whether_files_differ_from_it_are_tags(client: MlflowClient, project: Path) -> None:
    git = ["git", "-C", str(project), "-c", "user.name=n", "-c", "user.email=e@example.org"]
    (project / "code.py").write_text("a = 1\n")
    for command in (["init", "-q"], ["add", "code.py"], ["commit", "-q", "-m", "first"]):
        subprocess.run([*git, *command], check=True)
    commit = subprocess.run(
        [*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True
    ).stdout.strip()
    clean = client.get_run(tracking.model_run("f1").run_id).data.tags
    (project / "code.py").write_text("a = 2\n")
    edited = client.get_run(tracking.model_run("f2").run_id).data.tags
    assert (clean["mlflow.source.git.commit"], clean["git_dirty"]) == (commit, "false")
    assert (edited["mlflow.source.git.commit"], edited["git_dirty"]) == (commit, "true")


def test_an_unreachable_store_is_one_warning_and_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:9")
    tracking.configure(tmp_path)
    with caplog.at_level(logging.WARNING), tracking.open_model_run("f1", name="demo") as run:
        run.log_rows([{"step": 1, "loss": 1.0}])
        run.log_metrics({"a": 1.0})
    assert len([record for record in caplog.records if record.name.startswith("dino_pipeline")]) == 1


@pytest.mark.parametrize("password", ["secret", "sec@ret", "s:e%40"])
def test_a_password_in_an_address_is_not_told(password: str) -> None:
    assert in_short(OSError(f"no answer from https://ann:{password}@example.org/api?to=a@b")) == (
        "no answer from https://example.org/api?to=a@b"
    )


def test_rows_that_an_outage_held_up_are_sent_later(
    project: Path, client: MlflowClient, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dino_pipeline.tracking.retry._SECONDS_TO_FIRST_TRY", 0.0)
    database = project / "mlruns" / "mlflow.db"
    with tracking.open_model_run("f1", name="demo") as run:
        whole = database.read_bytes()
        database.write_bytes(b"this is no database" * 1000)
        with caplog.at_level(logging.WARNING):
            run.log_rows([{"step": 1, "loss": 3.0}])
            run.log_rows([{"step": 2, "loss": 2.0}])
        database.write_bytes(whole)
        run.log_rows([{"step": 3, "loss": 1.0}])
    assert history(client, run.run_id, "loss") == [(1, 3.0), (2, 2.0), (3, 1.0)]
    begins, ends = [record.message for record in caplog.records if record.name.startswith("dino_pipeline")]
    assert "dino-pipeline sync-mlflow" in begins
    assert "accepts records again" in ends
    assert not list((project / "data" / ".unsent").glob("*/*"))


def test_the_environments_address_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://tracking.example.org")
    assert tracking.configure(tmp_path).uri == "http://tracking.example.org"
    monkeypatch.delenv("MLFLOW_TRACKING_URI")
    assert tracking.configure(tmp_path).uri == f"sqlite:///{tmp_path}/mlruns/mlflow.db"


def test_a_database_whose_making_was_killed_is_made_again(tmp_path: Path) -> None:
    remains = tmp_path / f".partial-{2**22 + 1}-mlflow.db"  # of no process: Linux counts to 2**22
    remains.write_bytes(b"half a database")
    _create_database(tmp_path / "mlflow.db")
    assert MlflowClient(tracking_uri=f"sqlite:///{tmp_path / 'mlflow.db'}").search_experiments()
    assert not remains.exists()


def test_a_description_that_mlflow_would_not_take_ends_after_a_line() -> None:
    whole = "".join(f"line {number}\n" for number in range(1000))
    cut = fitting(whole)
    *lines, last = cut.splitlines()
    assert len(cut) <= 5000
    assert "\n".join(lines) == whole[: len("\n".join(lines))]
    assert lines[-1] in whole.splitlines()
    assert "the run's artifacts contain the whole text" in last
    assert fitting("short") == "short"


def test_flatten_joins_nested_names() -> None:
    assert flatten({"a": {"b": {"c": 1}}, "d": None}) == {"a.b.c": "1", "d": "None"}


def test_sigterm_turned_into_exit_kills_the_run(project: Path, client: MlflowClient) -> None:
    script = f"""
import os, signal, sys
from pathlib import Path
from dino_pipeline import tracking
signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
tracking.configure(Path({str(project)!r}))
with tracking.open_model_run("f1", name="demo") as run:
    os.kill(os.getpid(), signal.SIGTERM)
"""
    done = subprocess.run([sys.executable, "-c", script], env=os.environ, check=False)
    assert done.returncode == 128 + signal.SIGTERM
    assert client.get_run(tracking.model_run("f1").run_id).info.status == "KILLED"
