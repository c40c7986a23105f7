"""`kedro run` killed in every stage: no process stays, no half file shows, the same command ends with the same bits."""

import random
import shutil
import signal
import sys
from pathlib import Path

import pytest

from .conftest import Record
from .injection import Kill, Started, clone_with_images, hashes

pytestmark = [
    pytest.mark.full,
    pytest.mark.early,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are found in /proc"),
]

# The line that says a stage has begun, and how long its delay may be.
STAGES = {
    "ingest": 0.5,
    "pretrain": 8.0,
    "extract": 3.0,
    "probe": 5.0,
    "evaluate": 1.5,
    "draw report": 2.0,
    "register": 6.0,
}
SIGNALS = [signal.SIGKILL, signal.SIGINT, signal.SIGTERM, signal.SIGKILL, signal.SIGUSR1]
TIMES_AND_IDS = "report.html"  # says when the run began


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return clone_with_images(tmp_path_factory.mktemp("killed") / "clone")


def start(project: Path) -> Started:
    parameters = {
        "ingest.source": project / "data" / "01_raw" / "tiles",
        "pretrain.batch_size": 8,
        "pretrain.epochs": 6,
        "monitoring.num_trial_steps": 0,
    }
    options = ",".join(f"{name}={value}" for name, value in parameters.items())
    kedro = Path(sys.executable).with_name("kedro")
    return Started(
        [str(kedro), "run", "--env=smoke", f"--params={options}"], folder=project, log=project / "run.log"
    )


def products(project: Path) -> dict[str, str]:
    """Hashes of every visible file of the layers from the manifest on."""
    files = [
        file
        for layer in sorted((project / "data").glob("0[3-8]_*"))
        for file in sorted(layer.rglob("*"))
        if file.is_file() and file.name != TIMES_AND_IDS
    ]
    visible = [
        file for file in files if not any(part.startswith(".") for part in file.parts[len(project.parts) :])
    ]
    return hashes(visible, root=project)


def clear(project: Path) -> None:
    shutil.rmtree(project / "data" / ".results")
    for layer in (project / "data").glob("0[2-8]_*"):
        for output in layer.iterdir():
            if output.is_dir():
                shutil.rmtree(output)


@pytest.fixture(scope="module")
def undisturbed(project: Path) -> dict[str, str]:
    """Hashes of what the command makes when it is left alone."""
    started = start(project)
    assert started.end() == 0, started.words()
    made = products(project)
    assert {Path(name).name for name in made} >= {
        "manifest.parquet",
        "teacher.safetensors",
        "teacher_features.parquet",
        "linear_probes.safetensors",
        "metrics.json",
    }
    return made


@pytest.mark.parametrize("seed", range(4))
def test_a_command_killed_in_every_stage_ends_with_the_bits_of_an_undisturbed_one(
    project: Path, undisturbed: dict[str, str], record: Record, seed: int
) -> None:
    clear(project)
    seeded = random.Random(seed)
    outcomes = []
    for position, (stage, spread) in enumerate(STAGES.items()):
        number = SIGNALS[(position + seed) % len(SIGNALS)]
        kill = Kill("parent", number, delay=seeded.uniform(0, spread))
        started = start(project)
        outcome = started.strike(kill, lambda s=started, line=f" {stage} ...": line in s.words())
        half = {name for name, digest in products(project).items() if undisturbed.get(name) != digest}
        assert not half, f"{kill} in {stage} left {half}"
        outcomes.append({"during": stage.removeprefix("draw "), "kill": kill, "outcome": outcome})
    started = start(project)
    assert started.end() == 0, started.words()
    assert products(project) == undisturbed
    assert_one_finished_run(project)
    record(outcomes)


def assert_one_finished_run(project: Path) -> None:
    """However often it was interrupted: one run, no point of a curve twice, a registered version that is whole."""
    from mlflow import MlflowClient

    uri = f"sqlite:///{project / 'mlruns' / 'mlflow.db'}"
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    (run,) = client.search_runs([experiment.experiment_id for experiment in client.search_experiments()])
    assert run.info.status == "FINISHED"
    steps = [point.step for point in client.get_metric_history(run.info.run_id, "loss")]
    assert steps == sorted(set(steps))
    version = client.get_model_version_by_alias("dino-tiles", "challenger")
    assert version.run_id == run.info.run_id
    assert {"fingerprint", "data_digest", "git_commit"} <= version.tags.keys()
