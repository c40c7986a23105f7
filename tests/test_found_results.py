"""`kedro run` does no work twice: what each change runs again, in a clone with a small model."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.full

ROOT = Path(__file__).parents[1]
FOUND_BY_KEY = {
    "pretrain",
    "draw picture",
    "extract",
    "extract baselines",
    "probe",
    "probe baselines",
    "evaluate",
    "draw report",
}
# Nodes that find their results by themselves, and say so in their own words.
OTHERS = {"ingest", "register"}
RAN = re.compile(r"INFO ([a-z ]+) \.\.\.$", re.MULTILINE)
FOUND = re.compile(r"INFO ([a-z ]+): nothing has changed; found the result of ", re.MULTILINE)


def kedro_run(project: Path, **parameters: object) -> tuple[set[str], set[str], str]:
    """Run the recipe smoke. Returns the nodes that ran, the nodes whose result was found, and the output."""
    options = ",".join(f"{name.replace('__', '.')}={value}" for name, value in parameters.items())
    command = [str(Path(sys.executable).with_name("kedro")), "run", "--env=smoke"]
    done = subprocess.run(
        [*command, *([f"--params={options}"] if options else [])],
        cwd=project,
        env={key: value for key, value in os.environ.items() if not key.startswith(("MLFLOW_", "KEDRO_"))},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return set(RAN.findall(done.stdout)), set(FOUND.findall(done.stdout)), done.stdout


def outputs(project: Path) -> dict[str, bytes]:
    return {
        str(file): file.read_bytes()
        for layer in sorted((project / "data").glob("0[3-8]_*"))
        for file in sorted((layer / "smoke").rglob("*"))
        if file.is_file()
    }


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clone in which the recipe smoke has run."""
    folder = tmp_path_factory.mktemp("found") / "clone"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder)], check=True)
    ran, found, _ = kedro_run(folder)
    assert ran == FOUND_BY_KEY | OTHERS
    assert not found
    return folder


def test_a_second_run_does_no_work_and_says_so(project: Path) -> None:
    before = outputs(project)
    ran, found, said = kedro_run(project)
    assert ran == OTHERS
    assert found == FOUND_BY_KEY
    assert "1797 of 1797 files are unchanged and not read again" in said
    assert "this model is trained already" in said
    assert "is this model already" in said
    assert outputs(project) == before


def test_deleted_outputs_and_a_lost_run_come_back(project: Path) -> None:
    from mlflow import MlflowClient

    before = outputs(project)
    for layer in (project / "data").glob("0[4678]_*"):
        shutil.rmtree(layer / "smoke")
    (project / "mlruns" / "mlflow.db").unlink()
    ran, found, _ = kedro_run(project)
    assert ran == OTHERS | {"pretrain"}  # it finds the model by its fingerprint, and makes a new run
    assert found == FOUND_BY_KEY - ran
    assert outputs(project) == before
    client = MlflowClient(tracking_uri=f"sqlite:///{project / 'mlruns' / 'mlflow.db'}")
    (run,) = client.search_runs([one.experiment_id for one in client.search_experiments()])
    assert "test/teacher/knn_20" in run.data.metrics
    files = {file.path for file in client.list_artifacts(run.info.run_id)}
    assert {"metrics.json", "attention.png", "report.html", "extract_parameters.json"} <= files


def test_another_k_only_evaluates(project: Path) -> None:
    ran, found, _ = kedro_run(project, evaluate__knn__temperature=0.05)
    assert ran == OTHERS | {"draw picture", "evaluate", "draw report"}
    assert found == FOUND_BY_KEY - ran


def test_another_model_of_the_same_images_finds_the_baselines(project: Path) -> None:
    ran, found, _ = kedro_run(project, pretrain__epochs=1)
    assert found == {"extract baselines", "probe baselines"}
    assert ran == (FOUND_BY_KEY | OTHERS) - found


def test_the_switch_runs_one_stage(project: Path) -> None:
    ran, found, _ = kedro_run(project, results__again="probe")
    assert ran == OTHERS | {"probe", "probe baselines"}
    assert found == FOUND_BY_KEY - ran
