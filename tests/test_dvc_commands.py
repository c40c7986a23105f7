"""What DVC's users type, tried in one clone: recipes, experiments at once and queued, comparisons, remotes."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.full, pytest.mark.early]

ROOT = Path(__file__).parents[1]
MODEL = Path("data/06_models/smoke")
METRICS = Path("data/08_reporting/smoke/metrics.json")
TRAININGS = Path("data/06_models/.in_progress")
PRETRAIN = "conf/smoke/parameters.yml"
EVALUATE = "conf/base/parameters_evaluate.yml"  # DVC sets what a file names; smoke names no temperature


def environment() -> dict[str, str]:
    kept = {
        key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "KEDRO_", "PYTHON"))
    }
    return {**kept, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def run(project: Path, *command: str) -> str:
    """Run a command as a person would; its whole output."""
    done = subprocess.run(
        command,
        cwd=project,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}"
    return done.stdout


def run_json(project: Path, *command: str) -> Any:
    """Run a command that answers in JSON."""
    done = subprocess.run(command, cwd=project, env=environment(), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def commit(project: Path, message: str) -> None:
    run(project, "git", "add", "--all")
    run(project, "git", "-c", "user.name=test", "-c", "user.email=test@localhost", "commit", "-qm", message)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone in which `dvc repro` of recipe smoke has run; its record is committed."""
    folder = tmp_path_factory.mktemp("dvc") / "project"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    run(folder, "git", "config", "user.name", "test")
    run(folder, "git", "config", "user.email", "test@localhost")
    (folder / "conf" / "dvc_recipe.yml").write_text("recipe: smoke\n")
    run(folder, "dvc", "repro")
    commit(folder, "smoke")
    return folder


@pytest.fixture(scope="module")
def experiments(project: Path) -> Path:
    """The project after an experiment in the workspace, `sharper`, and one from the queue, `longer`."""
    sharper = ("--name=sharper", "-S", f"{EVALUATE}:evaluate.knn.temperature=0.05")
    (project.parent / "sharper.txt").write_text(run(project, "dvc", "exp", "run", *sharper))
    run(project, "git", "checkout", "--quiet", ".")
    run(project, "dvc", "checkout", "--quiet")
    run(project, "dvc", "exp", "run", "--queue", "--name=longer", "-S", f"{PRETRAIN}:pretrain.epochs=3")
    run(project, "dvc", "queue", "start")
    deadline = time.monotonic() + 400
    while "longer" not in run(project, "dvc", "exp", "list", "--name-only"):
        assert time.monotonic() < deadline, run(project, "dvc", "queue", "status")
        time.sleep(3)
    return project


@pytest.fixture(scope="module")
def s3_project(project: Path) -> Iterator[Path]:
    """The project with two remotes, `folder` and `s3`, which is served on loopback."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    address = f"http://{host}:{port}"
    credentials = {"access_key_id": "test", "secret_access_key": "test"}
    client = boto3.client(
        "s3",
        endpoint_url=address,
        region_name="us-east-1",
        **{f"aws_{name}": value for name, value in credentials.items()},
    )
    client.create_bucket(Bucket="models")
    run(project, "dvc", "remote", "add", "folder", str(project.parent / "remote"))
    run(project, "dvc", "remote", "add", "s3", "s3://models/dvc")
    settings = {"endpointurl": address, "region": "us-east-1", **credentials}
    for name, value in settings.items():
        run(project, "dvc", "remote", "modify", "s3", name, value)
    commit(project, "remotes")
    yield project
    server.stop()


def runs_of(project: Path) -> list[Any]:
    """The runs in the project's MLflow store."""
    from mlflow import MlflowClient

    client = MlflowClient(tracking_uri=f"sqlite:///{project / 'mlruns' / 'mlflow.db'}")
    return list(client.search_runs([experiment.experiment_id for experiment in client.search_experiments()]))


def test_an_edited_knn_parameter_retrains_nothing(experiments: Path) -> None:
    output = (experiments.parent / "sharper.txt").read_text()
    stages = [line.split("'")[1] for line in output.splitlines() if line.startswith("Running stage")]
    assert stages[0] == "evaluate"
    assert set(stages) <= {"evaluate", "report", "register"}


def test_kedro_and_dvc_find_what_the_other_made(project: Path) -> None:
    """DVC deletes a stage's outputs before its command; the command links them again."""
    heavy = (" extract ...", " probe ...", " evaluate ...", " draw report ...")
    done_again = run(project, "kedro", "run", "--env=smoke")
    assert not [line for line in heavy if line in done_again]
    forced = run(project, "dvc", "repro", "--force")
    assert not [line for line in heavy if line in forced]
    assert forced.count("Running stage") == 7
    assert "this model is trained already" in forced
    assert "up to date" in run(project, "dvc", "status", "dvc.yaml")


def test_the_runs_of_a_queued_experiment_are_in_the_one_store(experiments: Path) -> None:
    (run_of_experiment,) = [found for found in runs_of(experiments) if "dvc.exp_name" in found.data.tags]
    assert run_of_experiment.data.tags["dvc.exp_name"] == "longer"
    assert run_of_experiment.info.status == "FINISHED"
    assert run_of_experiment.data.params["pretrain.epochs"] == "3"
    assert "test/teacher/knn_20" in run_of_experiment.data.metrics
    fingerprint = run_of_experiment.data.tags["fingerprint"]
    assert (experiments / TRAININGS / fingerprint / "finished").is_dir(), "its training outlives the copy"
    kept = list((experiments / "data" / ".results" / "extract").iterdir())
    assert len(kept) == 2, "so do its results: those of smoke, and those of the experiment"


def test_experiments_are_shown_with_what_they_set_and_what_came_of_it(experiments: Path) -> None:
    done = subprocess.run(
        ["dvc", "exp", "show", "--all-commits", "--csv"],
        cwd=experiments,
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    shown = {row["Experiment"] or row["rev"]: row for row in csv.DictReader(io.StringIO(done.stdout))}
    assert shown["longer"][f"{PRETRAIN}:pretrain.epochs"] == "3"
    assert float(shown["longer"]["test.teacher.knn_20"]) > 0
    accuracy = json.loads((experiments / METRICS).read_text())["test"]["teacher"]["knn_20"]
    assert float(shown["workspace"]["test.teacher.knn_20"]) == pytest.approx(accuracy)


def test_experiments_are_compared_by_parameters_metrics_and_curves(experiments: Path) -> None:
    parameters = run_json(experiments, "dvc", "params", "diff", "--json", "HEAD", "longer")
    assert parameters == {PRETRAIN: {"pretrain.epochs": {"old": 2, "new": 3, "diff": 1}}}
    metrics = run_json(experiments, "dvc", "metrics", "diff", "--json", "HEAD", "longer")
    assert "test.teacher.knn_20" in json.dumps(metrics)
    run(experiments, "dvc", "plots", "diff", "HEAD", "longer")
    page = (experiments / "dvc_plots" / "index.html").read_text()
    assert "longer" in page
    assert all(name in page for name in ("loss", "knn_teacher", "effective_rank_teacher", "attention.png"))


def test_plots_are_shown_of_the_model_that_lies_there(project: Path) -> None:
    assert "index.html" in run(project, "dvc", "plots", "show")
    page = (project / "dvc_plots" / "index.html").read_text()
    assert all(name in page for name in ("loss", "knn_teacher", "effective_rank_teacher", "attention.png"))
    assert run(project, "git", "status", "--porcelain", "dvc_plots") == ""


@pytest.mark.parametrize("remote", ["folder", "s3"])
def test_a_clone_that_pulls_has_model_and_metrics_without_training(
    s3_project: Path, tmp_path: Path, remote: str
) -> None:
    run(s3_project, "dvc", "push", f"--remote={remote}")
    clone = tmp_path / "clone"
    subprocess.run(["git", "clone", "--quiet", str(s3_project), str(clone)], check=True)
    run(clone, "dvc", "pull", f"--remote={remote}")
    for file in (MODEL / "model.json", MODEL / "teacher.safetensors", METRICS):
        assert (clone / file).read_bytes() == (s3_project / file).read_bytes()
    assert "up to date" in run(clone, "dvc", "status", "dvc.yaml")
    assert "Running stage" not in run(clone, "dvc", "repro")
    assert not (clone / TRAININGS).exists()


def test_another_recipe_is_a_tracked_value(project: Path) -> None:
    plan = run(project, "dvc", "repro", "--dry", "--force", "pretrain")
    assert "--env=smoke" in plan
    (project / "conf" / "dvc_recipe.yml").write_text("recipe: base\n")
    try:
        changed = run_json(project, "dvc", "params", "diff", "--json", "HEAD")
        plan = run(project, "dvc", "repro", "--dry", "--force", "pretrain")
    finally:
        run(project, "git", "checkout", "--quiet", "conf/dvc_recipe.yml")
    assert changed["conf/dvc_recipe.yml"] == {"recipe": {"old": "smoke", "new": "base"}}
    assert "--env=base" in plan


def test_an_interrupted_stage_resumes(project: Path) -> None:
    before = {folder.name for folder in (project / TRAININGS).iterdir()}
    settings = (project / PRETRAIN).read_text()
    (project / PRETRAIN).write_text(settings.replace("epochs: 2", "epochs: 16"))
    try:
        stopped = subprocess.Popen(
            ["dvc", "repro", "pretrain"],
            cwd=project,
            env=environment(),
            start_new_session=True,
            # A shell's background job, as the tests may be, ignores Ctrl-C, and its processes would, too.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        checkpoint = wait_for_checkpoint(project / TRAININGS, before)
        os.killpg(stopped.pid, signal.SIGINT)  # as a terminal's Ctrl-C does
        assert stopped.wait(timeout=120) != 0
        assert not (checkpoint.parent / "finished").exists(), "it was to stop on its way"
        assert "resuming after step" in run(project, "dvc", "repro", "pretrain")
        assert (checkpoint.parent / "finished").is_dir()
        steps = [
            int(row["step"]) for row in csv.DictReader((project / MODEL / "history.csv").open(newline=""))
        ]
        assert steps == sorted(set(steps))
    finally:
        run(project, "git", "checkout", "--quiet", ".")
        run(project, "dvc", "checkout", "--quiet")


def wait_for_checkpoint(trainings: Path, before: set[str]) -> Path:
    """The first checkpoint of a training that was not there before."""
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        for checkpoint in trainings.glob("*/last.pt"):
            if checkpoint.parent.name not in before:
                return checkpoint
        time.sleep(0.1)
    raise AssertionError("no training wrote a checkpoint")
