"""The only tracked training: the same run whichever command asks, one process at a time, and what went wrong."""

import json
import math
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from mlflow import MlflowClient
from mlflow.entities import Run

from dino_pipeline import tracking
from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.training.config import LaunchConfig, MonitoringConfig
from dino_pipeline.dino.training.history import (
    CURRENT_STEP,
    HISTORY,
    HISTORY_COLUMNS,
    PREDICTION,
    TIMING,
    TIMING_COLUMNS,
    RowFile,
    read_rows,
)
from dino_pipeline.dino.training.profiling import PROFILE
from dino_pipeline.dino.weights.config import ModelConfig
from dino_pipeline.dino.weights.published import read_model
from dino_pipeline.experiments.compare.config import CompareConfig
from dino_pipeline.experiments.train import ProgressDisplay, _continuation_tags, log_diagnostics
from dino_pipeline.experiments.tune.config import TuneConfig
from dino_pipeline.model_registry.lineage.report import report
from dino_pipeline.pipelines.compare import compare_models
from dino_pipeline.pipelines.pretrain import pretrain
from dino_pipeline.pipelines.tune import search_parameters
from dino_pipeline.recipes.reading import recipe_parameters
from dino_pipeline.tracking.runs import manifest_artifact
from tests.experiments.conftest import SUMMARY

ROOT = Path(__file__).parents[2]
TRAININGS = Path("data/06_models/.in_progress")
COMMANDS = ("pretrain", "compare", "tune")
# In a process of its own: says that it is ready, waits for a line, then asks for the training.
ASK = """
import logging, sys
from pathlib import Path
import yaml
from dino_pipeline import tracking
from tests.experiments.test_train import ask
command, recipe, project = sys.argv[1:]
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
tracking.configure(Path(project), {"recipe": recipe})
parameters = yaml.safe_load((Path(project) / "parameters.yml").read_text())
print("ready", flush=True)
sys.stdin.readline()
ask(command, Path(project), parameters, recipe=recipe, seed=0)
"""


def ask(command: str, project: Path, parameters: dict[str, Any], *, recipe: str, seed: int) -> None:
    """Have a command train with a seed, in the project that has the images."""
    groups = (
        from_dict(PretrainConfig, parameters["pretrain"] | {"seed": seed}),
        from_dict(MonitoringConfig, parameters["monitoring"]),
        from_dict(LaunchConfig, parameters["launch"]),
    )
    manifest = pd.read_parquet(project / "manifest.parquet")
    if command == "pretrain":
        model = from_dict(ModelConfig, parameters["model"])
        pretrain(manifest, SUMMARY, project, project / TRAININGS, recipe, model, *groups)
        return
    extract = from_dict(ExtractConfig, parameters["extract"] | {"num_threads": 1})
    places = (project, project / TRAININGS, project / command)
    if command == "compare":
        compared = parameters["compare"] | {"overlays": {"plain": {}}, "seeds": [seed]}
        comparison = from_dict(CompareConfig, compared)
        compare_models(manifest, SUMMARY, "cost", *places, recipe, *groups, extract, comparison)
    else:  # trial 0 is the recipe itself
        rate = parameters["pretrain"]["schedules"]["learning_rate"]["start"]
        searched = {"distribution": "categorical", "values": [rate]}
        changes = {
            "study": "a study",
            "space": {"pretrain.schedules.learning_rate.start": searched},
            "same": {},
            "budget": {},
            "num_trials": 1,
        }
        study = from_dict(TuneConfig, parameters["tune"] | changes)
        search_parameters(manifest, SUMMARY, *places, recipe, *groups, extract, study)


@pytest.fixture
def with_images(project: Path, images: Path) -> Path:
    """A project that has the images and their manifest."""
    shutil.copytree(images, project, dirs_exist_ok=True)
    return project


def contents(run: Run, client: MlflowClient, project: Path) -> dict[str, Any]:
    """What a run has, without what is another training's or the asking command's own."""
    run_id = run.info.run_id

    def files(folder: str | None = None) -> set[str]:
        found = client.list_artifacts(run_id, folder)
        return {path for one in found for path in (files(one.path) if one.is_dir else {one.path})}

    own = {"fingerprint", "newest_session", "mlflow.runName"}
    own |= {"comparison.comparison", "study", "trial", "mlflow.parentRunId"}  # the command's
    # The data's line names the first run that has the manifest.
    lineage = re.sub(r"\b[0-9a-f]{32}\b", "run", report(run_id, project, num_hashed=None))
    for unique in (run.data.tags["fingerprint"], run.info.run_name):
        lineage = lineage.replace(unique, "...")
    return {
        "status": run.info.status,
        "params": {key: value for key, value in run.data.params.items() if key != "pretrain.seed"},
        "tags": {key: value for key, value in run.data.tags.items() if key not in own},
        "inputs": [
            (dict(used.dataset), [(tag.key, tag.value) for tag in used.tags])
            for used in run.inputs.dataset_inputs
        ],
        "metrics": {name for name in run.data.metrics if not name.startswith("tune/")},
        "artifacts": files(),
        "lineage": lineage,
    }


@pytest.mark.full
def test_a_model_has_the_same_run_and_lineage_whichever_command_trained_it(
    with_images: Path, client: MlflowClient, parameters: dict[str, Any]
) -> None:
    measured = parameters | {"monitoring": parameters["monitoring"] | {"num_trial_steps": 2}}
    for seed, command in enumerate(COMMANDS):
        ask(command, with_images, measured, recipe="tiny", seed=seed)
    runs = client.search_runs([e.experiment_id for e in client.search_experiments()])
    by_seed = {run.data.params["pretrain.seed"]: run for run in runs if "fingerprint" in run.data.tags}
    first, second, third = (contents(by_seed[str(seed)], client, with_images) for seed in range(3))
    assert first == second == third
    assert first["status"] == "FINISHED"
    assert first["tags"].items() >= {"data_set": "red and blue", "resumed": "0"}.items()
    kept = {"configuration.json", "sessions/1/session.json", manifest_artifact(first["tags"]["data_digest"])}
    assert kept | {PREDICTION} <= first["artifacts"]
    for folder in (with_images / TRAININGS).glob("*/"):
        predicted = json.loads((folder / PREDICTION).read_text())
        profile = json.loads((folder / PROFILE).read_text())
        assert predicted["step_seconds"] == pytest.approx(4 * profile["seconds_per_step"])
        checkpoint = (folder / "last.pt").stat().st_size
        assert predicted["disk_bytes"] > checkpoint, "two checkpoints, and the model twice"
        assert predicted["memory_bytes"] > 0
    assert "system/cpu_utilization_percentage" in first["metrics"]
    assert [tags for _, tags in first["inputs"]] == [[("mlflow.data.context", "training")]]
    assert by_seed["1"].data.tags["comparison.comparison"] == "plain"
    (study,) = [run for run in runs if "study_run" in run.data.tags]
    assert by_seed["2"].data.tags["mlflow.parentRunId"] == study.info.run_id
    assert by_seed["2"].data.metrics["tune/knn"] == by_seed["2"].data.metrics["knn_teacher"]
    recipes = {read_model(folder).recipe for folder in (with_images / TRAININGS).glob("*/finished")}
    assert recipes == {"tiny"}, "a study's name is no recipe"


@pytest.mark.full
def test_of_processes_that_ask_for_one_training_one_trains_and_the_others_wait_or_are_refused(
    with_images: Path, client: MlflowClient, parameters: dict[str, Any]
) -> None:
    longer = parameters | {"pretrain": parameters["pretrain"] | {"epochs": 150}}
    (with_images / "parameters.yml").write_text(yaml.safe_dump(longer))
    # Each of another recipe, for which nothing else keeps them apart.
    asking = {
        name: subprocess.Popen(
            [sys.executable, "-c", ASK, name.split()[0], name.replace(" ", "_"), str(with_images)],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for name in ("pretrain first", "pretrain second", "compare third", "tune fourth")
    }
    for process in asking.values():
        assert process.stdout is not None
        assert "ready\n" in iter(process.stdout.readline, "")

    def go(name: str) -> None:
        pipe = asking[name].stdin
        assert pipe is not None
        pipe.write("\n")
        pipe.flush()

    first = asking["pretrain first"]
    go("pretrain first")
    wait_for(lambda: list(with_images.glob(f"{TRAININGS}/*/{TIMING}")), first)
    for name in list(asking)[1:]:
        go(name)
    output = {name: process.communicate()[0] for name, process in asking.items()}
    held = f"is already running in process {first.pid} since"
    ends = {name: process.returncode for name, process in asking.items()}
    assert ends == {"pretrain first": 0, "pretrain second": 1, "compare third": 0, "tune fourth": 0}, output
    assert held in output["pretrain second"].splitlines()[-1]
    for name in ("compare third", "tune fourth"):
        (line,) = [line for line in output[name].splitlines() if "is already running" in line]
        assert held in line
        assert line.endswith("waiting for it to end")

    (folder,) = (with_images / TRAININGS).glob("*/")
    steps = [int(row["step"]) for row in read_rows(folder / TIMING)]
    assert steps == sorted(set(steps))
    assert steps[-1] == 150 * 4
    assert json.loads((folder / "spec.json").read_text())["recipe"] == "pretrain_first"
    assert read_model(folder / "finished").fingerprint == folder.name
    runs = client.search_runs([e.experiment_id for e in client.search_experiments()])
    (run,) = [run for run in runs if run.data.tags.get("fingerprint") == folder.name]
    assert (run.info.status, run.data.tags["resumed"]) == ("FINISHED", "0")


def wait_for(happened: Callable[[], object], process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 300
    while not happened():
        assert process.poll() is None
        assert time.monotonic() < deadline
        time.sleep(0.1)


def found_in(
    project: Path, client: MlflowClient, *, entropy: float, unreadable: str
) -> tuple[dict, list[str]]:
    """Tags and artifacts of the run of a training with such a history and list."""
    folder = project / "training"
    folder.mkdir(exist_ok=True)
    history = RowFile(folder / HISTORY, HISTORY_COLUMNS)
    history.cut_after(0)
    for step in (20, 40, 60):
        sharpness = {"teacher_temperature": 0.04, "teacher_momentum": 0.98}
        history.append({"step": step, "teacher_entropy": entropy, "kl": 0.001, **sharpness})
    (folder / "unreadable.csv").write_text("step,row,path,reason\n" + unreadable)
    (folder / "skipped_steps.csv").write_text("step,process,not_finite,rows\n")
    config = from_dict(PretrainConfig, recipe_parameters("base")["pretrain"])
    with tracking.open_model_run(f"fingerprint {entropy}", name="tiny") as run:
        log_diagnostics(run, folder, config)
    logged = client.get_run(run.run_id)
    return logged.data.tags, [artifact.path for artifact in client.list_artifacts(run.run_id)]


def test_a_collapse_is_a_tag_and_a_list_that_holds_anything_an_artifact(
    project: Path, client: MlflowClient
) -> None:
    tags, artifacts = found_in(project, client, entropy=math.log(512), unreadable="40,7,7.png,gone\n")
    assert tags["collapse"] == "uniform"
    assert artifacts == ["unreadable.csv"]
    tags, artifacts = found_in(project, client, entropy=3.0, unreadable="")
    assert "collapse" not in tags
    assert artifacts == []


@pytest.mark.usefixtures("project")
def test_a_run_that_continues_another_is_linked_to_it() -> None:
    assert _continuation_tags(None) == {}
    assert _continuation_tags("unknown") == {"continued_from": "unknown"}
    with tracking.open_model_run("old", name="old") as old:
        pass
    assert _continuation_tags("old") == {"continued_from": "old", "continued_from_run": old.run_id}


def test_a_log_file_says_how_far_a_training_is_also_between_two_rows(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    history = RowFile(tmp_path / HISTORY, HISTORY_COLUMNS)
    timing = RowFile(tmp_path / TIMING, TIMING_COLUMNS)
    history.cut_after(0)
    timing.cut_after(0)
    with (
        caplog.at_level("INFO"),
        ProgressDisplay(tmp_path, num_steps=100, first_seconds=0, every_seconds=0) as display,
    ):
        assert display.update() == []
        history.append({"step": 20, "epoch": 1.25, "loss": 5.1234, "knn_teacher": 0.25})
        timing.append({"step": 20, "num_steps": 80, "images_per_second": 210.4})
        assert len(display.update()) == 2
        (tmp_path / CURRENT_STEP).write_text("33")
        display.update()
    shown = "epoch 1.2, loss 5.123, k-NN 0.250, images/s 210"
    assert caplog.messages[0] == "pretrain: 0 of 100 steps"
    assert any(line.startswith(f"pretrain: 20 of 80 steps, {shown}") for line in caplog.messages)
    assert re.fullmatch(rf"pretrain: 33 of 80 steps, {shown}, \d+ s left", caplog.messages[-1])
