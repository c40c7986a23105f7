"""The tune pipeline as Kedro runs it: a study of a recipe comes out as a recipe that Kedro reads."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml

from dino_pipeline.recipes.init.project import prepare_project
from dino_pipeline.workspace.config_loader import shared_parameters
from dino_pipeline.workspace.project_folder import conf_folder

STUDY = {
    "tune": {
        "num_trials": 2,
        "objective": "rankme",
        "budget": {
            "pretrain.epochs": 1,
            "monitoring.evaluate_every_epochs": 1,
            "monitoring.num_trial_steps": 0,
        },
    }
}


@pytest.mark.full
def test_a_study_is_run_continued_and_written_as_a_recipe(tmp_path: Path) -> None:
    prepare_project(tmp_path, recipe="smoke")
    shutil.copytree(conf_folder() / "smoke", tmp_path / "conf" / "smoke")
    with (tmp_path / "conf" / "smoke" / "parameters.yml").open("a") as file:
        file.write(yaml.safe_dump(STUDY))

    def run(*options: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "kedro", "run", "--env=smoke", "--pipeline=tune", *options]
        return subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)

    wrong = run("--params=tune.tuned_recipe=base")
    assert wrong.returncode != 0
    assert "the name 'base' cannot be used for a recipe" in wrong.stdout + wrong.stderr
    wrong = run("--params=tune.tuned_recipe=smoke")
    assert wrong.returncode != 0
    assert "conf/smoke is a recipe that was not written by a study" in wrong.stdout + wrong.stderr

    done = run()
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Warning" not in done.stdout + done.stderr
    folder = tmp_path / "data" / "08_reporting" / "smoke" / "tuning"
    assert {path.name for path in folder.iterdir()} >= {
        "trials.csv",
        "summary.json",
        "history.png",
        "importance.png",
        "studies.journal",
    }
    table = pd.read_csv(folder / "trials.csv")
    assert list(table["trial"]) == [0, 1]
    summary = json.loads((folder / "summary.json").read_text())
    tuned = shared_parameters(tmp_path / "conf", "smoke_tuned")
    found = summary["chosen"]["values"]["pretrain.schedules.learning_rate.start"]
    assert tuned["pretrain"]["schedules"]["learning_rate"]["start"] == found
    assert tuned["ingest"] == shared_parameters(tmp_path / "conf", "smoke")["ingest"]
    assert not (
        tmp_path / "data" / "06_models" / "smoke"
    ).exists()  # the recipe's own model is another matter

    assert run("--params=tune.num_trials=3").returncode == 0
    assert len(pd.read_csv(folder / "trials.csv")) == 3
