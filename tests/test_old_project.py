"""A project of 0a91d15, the last commit of the first design, goes on with this code, and nothing trains again."""

import json
import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from dino_pipeline import tracking
from dino_pipeline.__main__ import main
from dino_pipeline.dino.training.finish import FINISHED, earlier_fingerprints
from dino_pipeline.dino.weights.published import read_model
from dino_pipeline.model_registry.model_lookup import find_weights
from dino_pipeline.pipeline_registry import stage_pipelines
from dino_pipeline.recipes.reading import project_parameters
from dino_pipeline.tracking import tracker
from dino_pipeline.workspace.parameter_errors import parameter_errors
from tests.old_project import TRAININGS, unpack

RECIPES = ("shapes", "stopped", "shapes_tuned")
NUM_TRAININGS = 5  # of the recipe, of a row of the comparison, of two trials, and the stopped one
TRAINED = "training predicted to end"  # what a training says when it begins


class Old(NamedTuple):
    """A project after `adopt`, and what its trainings were called before."""

    folder: Path
    before: list[str]
    said: str

    @property
    def now(self) -> dict[str, str]:
        """Fingerprints of now by those of before."""
        return {
            earlier_fingerprints(folder)[0]: folder.name for folder in (self.folder / TRAININGS).glob("[!.]*")
        }


def client(project: Path) -> MlflowClient:
    uri = f"sqlite:///{project / 'mlruns' / 'mlflow.db'}"
    return MlflowClient(uri, uri)


def runs(project: Path, tag: str, value: str) -> list[Run]:
    store = client(project)
    experiment = store.get_experiment_by_name("dino_pipeline")
    assert experiment is not None
    return list(store.search_runs([experiment.experiment_id], f"tags.{tag} = '{value}'"))


@pytest.fixture(scope="module")
def adopted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Old]:
    folder = unpack(tmp_path_factory.mktemp("old"))
    before = sorted(one.name for one in (folder / TRAININGS).glob("[!.]*"))
    output = folder.parent / "said"
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.setattr(tracker, "_store", None)
        assert main(["repair-artifacts", "--project", str(folder)]) == 0
        patch.setattr(sys, "stdout", output.open("w"))
        assert main(["adopt", "--all", "--project", str(folder)]) == 0
        sys.stdout.close()
        patch.undo()
        patch.setattr(tracker, "_store", None)
        yield Old(folder, before, output.read_text())


def test_its_recipes_of_many_files_say_nothing_that_this_code_refuses(tmp_path: Path) -> None:
    folder = unpack(tmp_path)
    for recipe in RECIPES:
        assert parameter_errors(project_parameters(folder, recipe), stage_pipelines()) == []


def test_its_recipes_of_many_files_become_one_file_each_that_says_the_same(tmp_path: Path) -> None:
    folder = unpack(tmp_path)
    before = {recipe: project_parameters(folder, recipe) for recipe in RECIPES}
    assert main(["merge-recipe", *RECIPES, "--project", str(folder)]) == 0
    assert {recipe: project_parameters(folder, recipe) for recipe in RECIPES} == before
    assert {file.name for recipe in RECIPES for file in (folder / "conf" / recipe).iterdir()} == {
        "parameters.yml"
    }


def test_every_training_gets_a_line_and_its_identity_of_now(adopted: Old) -> None:
    assert len(adopted.before) == NUM_TRAININGS
    assert sorted(adopted.now) == adopted.before
    for before, now in adopted.now.items():
        assert now != before
        (line,) = (line for line in adopted.said.splitlines() if line.startswith(before))
        assert line.endswith(f"; new fingerprint {now}")
    assert adopted.said.count(", finished; new fingerprint") == NUM_TRAININGS - 1
    assert adopted.said.count("recipe stopped, unfinished after step") == 1
    for folder in (adopted.folder / TRAININGS).glob(f"*/{FINISHED}"):
        model = read_model(folder)
        assert model.fingerprints == (folder.parent.name, *earlier_fingerprints(folder.parent))
    published = read_model(adopted.folder / "data" / "06_models" / "shapes")
    assert published.fingerprint == adopted.now[published.earlier_fingerprints[0]]


def test_run_and_version_are_found_by_either_identity(adopted: Old) -> None:
    tracking.configure(adopted.folder)
    for before, now in adopted.now.items():
        (run,) = runs(adopted.folder, "fingerprint", now)
        assert run.data.tags["earlier_fingerprint"] == before
        assert runs(adopted.folder, "fingerprint", before) == []
        for name in (before, now):
            found = tracking.find_run(name)
            assert found is not None
            assert found.run_id == run.info.run_id
    published = read_model(adopted.folder / "data" / "06_models" / "shapes")
    version = client(adopted.folder).get_model_version("dino-shapes", "1")
    assert version.tags["fingerprint"] == published.fingerprint
    assert version.tags["earlier_fingerprint"] == published.earlier_fingerprints[0]
    weights = {
        find_weights(name, adopted.folder)
        for name in (*published.fingerprints, "shapes", "dino-shapes/1", "dino-shapes@champion")
    }
    assert len(weights) == 1


def test_lineage_knows_both(adopted: Old, capsys: pytest.CaptureFixture[str]) -> None:
    published = read_model(adopted.folder / "data" / "06_models" / "shapes")
    shown = set()
    for name in (*published.fingerprints, "dino-shapes/1"):
        assert main(["lineage", name, "--project", str(adopted.folder)]) == 0
        shown.add(capsys.readouterr().out)
    (text,) = shown
    assert f"fingerprint  {published.fingerprint}, earlier {published.earlier_fingerprints[0]}\n" in text
    assert "all files are here" in text


def test_a_second_time_changes_nothing(adopted: Old, capsys: pytest.CaptureFixture[str]) -> None:
    before = _state(adopted.folder)
    assert main(["adopt", "--all", "--project", str(adopted.folder)]) == 0
    assert capsys.readouterr().out.count("already has its new fingerprint") == NUM_TRAININGS
    (first, *_) = adopted.now
    assert main(["adopt", first, "--project", str(adopted.folder)]) == 0
    assert capsys.readouterr().out.count("\n") == 1
    assert _state(adopted.folder) == before
    assert main(["adopt", "unknown", "--project", str(adopted.folder)]) == 1
    assert "there is no training unknown; existing: " in capsys.readouterr().err
    assert main(["adopt", "--project", str(adopted.folder)]) == 1
    assert "or --all" in capsys.readouterr().err


def test_what_cannot_be_adopted_says_why_and_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(tracker, "_store", None)
    folder = unpack(tmp_path)
    unreadable, elsewhere, *others = sorted((folder / TRAININGS).glob("[!.]*"))
    spec = json.loads((unreadable / "spec.json").read_text())
    spec["pretrain"]["unheard_of"] = 1
    (unreadable / "spec.json").write_text(json.dumps(spec))
    (elsewhere / "spec.json").unlink()
    before = {one: _state(one) for one in (unreadable, elsewhere)}
    assert main(["adopt", "--all", "--project", str(folder)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "not changed, this version cannot read its spec.json: pretrain.unheard_of" in lines[0]
    assert "keeps its fingerprint: it was not trained here" in lines[1]
    assert len(lines) == len(others) + 2
    assert {one: _state(one) for one in before} == before


def _state(folder: Path) -> dict[str, bytes | list[str]]:
    """Every file's bytes; of the database what it holds."""
    state: dict[str, bytes | list[str]] = {}
    for file in sorted(folder.rglob("*")):
        if file.suffix == ".db":
            with closing(sqlite3.connect(file)) as database:
                state[str(file)] = list(database.iterdump())
        elif file.is_file():
            state[str(file)] = file.read_bytes()
    return state


@pytest.mark.full
class TestEveryCommand:
    """One project for all, in this order."""

    def test_a_run_trains_nothing_again_and_registers_nothing_twice(self, adopted: Old) -> None:
        weights = adopted.folder / "data" / "06_models" / "shapes" / "teacher.safetensors"
        before, trainings = weights.read_bytes(), _trainings(adopted.folder)
        said = kedro(adopted.folder, "--env=shapes")
        assert "this model is trained already" in said
        assert TRAINED not in said
        assert weights.read_bytes() == before
        assert _trainings(adopted.folder) == trainings
        assert len(client(adopted.folder).search_model_versions("name = 'dino-shapes'")) == 1
        assert (adopted.folder / "data" / "08_reporting" / "shapes" / "report.html").is_file()

    def test_the_unfinished_training_goes_on_in_its_run(self, adopted: Old) -> None:
        (step,) = (
            line.partition("after step ")[2].partition(";")[0]
            for line in adopted.said.splitlines()
            if "unfinished" in line
        )
        said = kedro(adopted.folder, "--env=stopped", "--pipeline=pretrain")
        assert f"resuming after step {step} of 360" in said
        model = read_model(adopted.folder / "data" / "06_models" / "stopped")
        assert model.earlier_fingerprints[0] in adopted.before
        (run,) = runs(adopted.folder, "fingerprint", model.fingerprint)
        assert run.info.status == "FINISHED"
        assert run.data.tags["resumed"] == "1"

    def test_the_study_goes_on(self, adopted: Old) -> None:
        file = adopted.folder / "data" / "08_reporting" / "shapes" / "tuning" / "trials.csv"
        before = pd.read_csv(file)
        said = kedro(adopted.folder, "--env=shapes", "--pipeline=tune", "--params=tune.num_trials=3")
        after = pd.read_csv(file)
        assert (len(before), len(after)) == (2, 3)
        pd.testing.assert_frame_equal(after.head(2)[before.columns.to_list()], before)
        assert set(before["fingerprint"]) < set(adopted.before)
        assert said.count("trial 2: knn ") == 1

    def test_the_comparison_finds_its_trainings_and_measurements(self, adopted: Old) -> None:
        folder = adopted.folder / "data" / "08_reporting" / "shapes" / "comparison"
        table = (folder / "comparison.csv").read_text()
        measured = adopted.folder / "data" / "07_model_output" / "shapes" / "comparisons" / "scores"
        scores = sorted(measured.iterdir())
        said = kedro(adopted.folder, "--env=shapes", "--pipeline=compare")
        assert said.count(", already trained") == 2
        assert (folder / "comparison.csv").read_text() == table
        assert sorted(measured.iterdir()) == scores

    def test_evaluations_that_need_no_masks_measure_it(self, adopted: Old) -> None:
        names = ("data_quality", "retrieval", "low_shot", "label_spreading", "fine_tune")
        said = kedro(adopted.folder, "--env=shapes", f"--pipelines={','.join(names)}")
        assert TRAINED not in said

    def test_images_are_embedded_and_attended_to(self, adopted: Old) -> None:
        images = adopted.folder / "data" / "01_raw" / "shapes" / "disc"
        for number, model in enumerate(("shapes", "dino-shapes@champion", adopted.before[0])):
            file = adopted.folder.parent / f"{number}.parquet"
            run(adopted.folder, "dino-pipeline", "embed", str(images), f"--model={model}", f"--output={file}")
            assert len(pd.read_parquet(file)) == len(list(images.iterdir()))
        drawn = adopted.folder.parent / "drawn"
        run(
            adopted.folder,
            "dino-pipeline",
            "attend",
            str(images / "00.png"),
            "--model=shapes",
            f"--output={drawn}",
        )
        assert list(drawn.rglob("overview.png"))

    def test_its_log_of_promotions_and_its_champion_are_read(self, adopted: Old) -> None:
        assert "promotion none -> 1" in run(
            adopted.folder, "dino-pipeline", "promote", "dino-shapes", "--log"
        )
        said = run(adopted.folder, "dino-pipeline", "lineage", "data/01_raw/shapes/disc/00.png")
        assert "dino-shapes/1 (challenger, champion)" in said

    def test_mlflow_holds_all_and_leads_to_where_the_project_is(self, adopted: Old) -> None:
        assert "Nothing to repair" in run(adopted.folder, "dino-pipeline", "repair-artifacts")
        run(adopted.folder, "dino-pipeline", "sync-mlflow")

    def test_dvc_reruns_stages_without_training(self, adopted: Old) -> None:
        trainings = _trainings(adopted.folder)
        said = run(adopted.folder, "dvc", "repro")
        assert TRAINED not in said
        assert _trainings(adopted.folder) == trainings
        assert "Data and pipelines are up to date" in run(adopted.folder, "dvc", "status", "dvc.yaml")


def _trainings(project: Path) -> list[str]:
    return sorted(folder.name for folder in (project / TRAININGS).glob("[!.]*"))


def kedro(project: Path, *options: str) -> str:
    return run(project, "kedro", "run", *options)


def run(project: Path, *command: str) -> str:
    """Run a command as a person would; its whole output."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MLFLOW_", "KEDRO_"))}
    done = subprocess.run(
        command,
        cwd=project,
        env={**kept, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout}"
    return done.stdout
