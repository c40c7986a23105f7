"""Real trainings as trials: measured, pruned, collapsed, taken up; none is trained twice or leaves a process."""

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
from mlflow import MlflowClient
from optuna.trial import TrialState

from dino_pipeline import tracking
from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.manifest import read_manifest
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.training.history import read_rows
from dino_pipeline.experiments.train import Trainer
from dino_pipeline.experiments.tune.config import TuneConfig
from dino_pipeline.experiments.tune.pruning import Collapsed
from dino_pipeline.experiments.tune.search_space import SearchSpace
from dino_pipeline.experiments.tune.trial import COLLAPSED, FINGERPRINT, MEASURES, TrialContext, run_trial
from tests.dino.conftest import LAUNCH, MONITORING, PRETRAIN, tiny_manifest
from tests.experiments.conftest import SUMMARY

__all__ = ["tiny_manifest"]  # a fixture

RATE = "pretrain.schedules.learning_rate.start"
ENDLESS = {"pretrain.epochs": 100_000, "monitoring.evaluate_every_epochs": 1}
FLAT = {f"pretrain.schedules.teacher_temperature.{name}": 50.0 for name in ("warmup_from", "start", "end")}
FLAT |= {
    "pretrain.loss.student_temperature": 50.0,
    "monitoring.evaluate_every_epochs": 1000,  # an evaluation would prune it first
}

# A worker of its own, for signals to end.
WORKER = """
import json, sys
from pathlib import Path
from tests.experiments.tune.test_trial import asked, context_in, study_in
from dino_pipeline.experiments.tune.search import search
demo, manifest, folder, changes = json.loads(sys.argv[1])
config, space = asked(demo, **changes)
search(study_in(Path(folder), space), space, config, context_in(demo, Path(manifest), Path(folder)))
"""


def asked(demo: dict[str, Any], **changes: Any) -> tuple[TuneConfig, SearchSpace]:
    rates = {RATE: {"distribution": "uniform", "low": 0.01, "high": 0.1}}
    config = from_dict(
        TuneConfig, demo["tune"] | {"space": rates, "same": {}, "alpha_ranks": [1, 8]} | changes
    )
    recipe = {
        "pretrain": PRETRAIN | {"precision": "fp32"},
        "monitoring": MONITORING | {"num_trial_steps": 0, "checkpoint_every_steps": 5},
        "launch": LAUNCH | {"cpu_processes": 1},
    }
    return config, SearchSpace(config, recipe)


def context_in(demo: dict[str, Any], manifest: Path, folder: Path) -> TrialContext:
    extract = from_dict(ExtractConfig, demo["extract"] | {"resize": 16, "crop": 16, "num_threads": 1})
    trainer = Trainer(
        images=read_manifest(manifest, manifest.parent),
        ingest_summary=SUMMARY,
        recipe="tiny",
        project_folder=manifest.parent,
        training_folder=folder / "in_progress",
    )
    return TrialContext(trainer=trainer, extract=extract, parent_run="")


def study_in(folder: Path, space: SearchSpace) -> optuna.Study:
    backend = optuna.storages.journal.JournalFileBackend(str(folder / "journal"))
    study = optuna.create_study(
        storage=optuna.storages.JournalStorage(backend),
        study_name="tiny",
        direction="maximize",
        load_if_exists=True,
        pruner=optuna.pruners.ThresholdPruner(lower=2),  # no accuracy is above 1
    )
    if not study.trials:
        study.enqueue_trial(space.current())
    return study


def processes_in(folder: Path) -> list[str]:
    listed = subprocess.run(["ps", "-ewwo", "pid,args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if f"{folder}/" in line and "spec.json" in line]


@pytest.mark.full
def test_a_trial_is_trained_and_measured_once_below_the_studys_run(
    project: Path, client: MlflowClient, demo: dict[str, Any], tiny_manifest: Path
) -> None:
    config, space = asked(demo, cost="parameters", pruner={"name": "none"})
    around = context_in(demo, tiny_manifest, project)
    study = optuna.create_study(study_name="tiny", directions=["maximize", "minimize"])
    for _ in range(2):
        study.enqueue_trial(space.current())
    with tracking.open_study_run("tiny") as parent:
        told = [run_trial(study.ask(), space, config, replace(around, parent_run=parent.run_id))]
        finished = next((project / "in_progress").glob("*/finished"))
        before = finished.stat().st_mtime_ns
        told.append(run_trial(study.ask(), space, config, replace(around, parent_run=parent.run_id)))
    assert told[0] == told[1]
    assert finished.stat().st_mtime_ns == before
    last = read_rows(finished / "history.csv")[-1]
    assert told[0][0] == float(last["knn_teacher"])
    # 2 blocks of width 24 with 8-px patches on 16 px: embedding, 5 positions, [CLS], blocks, final norm
    block = 2 * 48 + (24 * 72 + 72) + (24 * 24 + 24) + (24 * 96 + 96) + (96 * 24 + 24)
    assert told[0][1] == (3 * 64 * 24 + 24) + 5 * 24 + 24 + 2 * block + 48
    measured = study.trials[0].user_attrs[MEASURES]
    assert measured["rankme"] == float(last["effective_rank_teacher"])
    assert measured["alpha_req"] == pytest.approx(abs(measured["alpha"] - 1))

    runs = {run.info.run_name: run for run in client.search_runs(["1"])}
    assert set(runs) == {"tiny", "tiny-0"}
    assert runs["tiny-0"].data.tags["mlflow.parentRunId"] == runs["tiny"].info.run_id
    assert runs["tiny-0"].data.tags["fingerprint"] == study.trials[0].user_attrs[FINGERPRINT]
    assert {run.info.status for run in runs.values()} == {"FINISHED"}


@pytest.mark.parametrize("how", ["pruned", pytest.param("collapsed", marks=pytest.mark.full)])
def test_a_training_is_ended_at_once_and_leaves_neither_process_nor_files(
    how: str, project: Path, client: MlflowClient, demo: dict[str, Any], tiny_manifest: Path
) -> None:
    config, space = asked(demo, budget=ENDLESS | (FLAT if how == "collapsed" else {}))
    study = study_in(project, space)
    trial = study.ask()
    with pytest.raises(optuna.TrialPruned) as caught:
        run_trial(trial, space, config, context_in(demo, tiny_manifest, project))
    assert isinstance(caught.value, Collapsed) == (how == "collapsed")
    assert study.trials[0].user_attrs.get(COLLAPSED) == ("uniform" if how == "collapsed" else None)
    assert processes_in(project) == []
    assert not list((project / "in_progress").glob("*/"))
    (run,) = client.search_runs(["1"])
    assert run.info.status == "KILLED"
    assert run.data.tags.get("collapsed") == ("uniform" if how == "collapsed" else None)
    assert run.data.metrics["loss"] > 0


@pytest.mark.full
@pytest.mark.parametrize("how", ["terminate", "kill"])
def test_a_stopped_study_goes_on_with_the_training_it_was_at(
    how: str, tmp_path: Path, demo: dict[str, Any], tiny_manifest: Path
) -> None:
    changes = {
        "num_trials": 1,
        "budget": {"pretrain.epochs": 30, "monitoring.evaluate_every_epochs": 1000},
    }
    given = json.dumps([demo, str(tiny_manifest), str(tmp_path), changes])
    process = subprocess.Popen([sys.executable, "-c", WORKER, given])
    deadline = time.monotonic() + 120
    while not (found := list(tmp_path.glob("in_progress/*/last.pt"))):
        assert time.monotonic() < deadline, "training never got going"
        time.sleep(0.1)
    getattr(process, how)()
    assert process.wait(60) != 0
    deadline = time.monotonic() + 60
    while processes_in(tmp_path):
        assert time.monotonic() < deadline
        time.sleep(0.2)

    rows = read_rows(found[0].parent / "timing.csv")  # seconds that no second training would repeat
    assert subprocess.run([sys.executable, "-c", WORKER, given], check=False).returncode == 0
    _, space = asked(demo, **changes)
    trials = study_in(tmp_path, space).trials
    assert [trial.state for trial in trials] == [TrialState.FAIL, TrialState.COMPLETE]
    assert trials[0].params == trials[1].params
    assert len(rows) > 1
    assert read_rows(found[0].parent / "timing.csv")[: len(rows) - 1] == rows[:-1]
