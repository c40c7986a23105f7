"""What neither git nor DVC brings into an experiment's copy is the project's own, and outlives the copy."""

import shutil
from pathlib import Path

import pytest
import yaml

from dino_pipeline import tracking
from dino_pipeline.workspace.config_loader import MERGE_STRATEGY, LayeredConfigLoader
from dino_pipeline.workspace.experiment_copy import link_untracked_data, outside_copy


@pytest.fixture
def original(tmp_path: Path) -> Path:
    """A project with raw images, one of them tracked by DVC."""
    for name in ("digits", "tracked"):
        (tmp_path / "data" / "01_raw" / name).mkdir(parents=True)
        (tmp_path / "data" / "01_raw" / name / "0.png").write_text("the project's")
    return tmp_path


@pytest.fixture(params=["tmpqueued", "standalone/tmpatonce"])
def copy(request: pytest.FixtureRequest, original: Path) -> Path:
    """A copy as `dvc queue start` and as `dvc exp run --temp` make it, with the tracked images."""
    copy = original / ".dvc" / "tmp" / "exps" / request.param
    (copy / "data" / "01_raw" / "tracked").mkdir(parents=True)
    (copy / "data" / "01_raw" / "tracked" / "0.png").write_text("the version of the experiment")
    return copy


def test_a_path_in_a_copy_has_its_place_in_the_project(original: Path, copy: Path) -> None:
    assert outside_copy(copy) == original
    assert outside_copy(copy / "conf" / "local") == original / "conf" / "local"
    assert outside_copy(original / "conf" / "local") == original / "conf" / "local"


def test_the_runs_of_a_copy_are_kept_with_the_projects(
    original: Path, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dino_pipeline.tracking import tracker

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(tracker, "_store", None)
    store = tracking.configure(copy)
    assert store.file == original.resolve() / "mlruns" / "mlflow.db"
    assert store.project_path == copy.resolve(), "the commit and the edits are those of the copy"


def test_the_users_settings_hold_in_a_copy(original: Path, copy: Path) -> None:
    for folder, values in (
        (copy / "conf" / "base", {"launch": {"cpu_processes": 2, "stall_minutes": 5}}),
        (original / "conf" / "local", {"launch": {"cpu_processes": 1}}),
    ):
        folder.mkdir(parents=True)
        (folder / "parameters_launch.yml").write_text(yaml.safe_dump(values))
    loader = LayeredConfigLoader(
        copy / "conf", "base", base_env="base", default_run_env="local", merge_strategy=MERGE_STRATEGY
    )
    assert loader["parameters"] == {"recipe": "base", "launch": {"cpu_processes": 1, "stall_minutes": 5}}


def test_a_copy_sees_raw_images_and_trainings_and_keeps_what_it_has(original: Path, copy: Path) -> None:
    link_untracked_data(copy)
    link_untracked_data(copy)
    assert (copy / "data/01_raw/digits/0.png").read_text() == "the project's"
    assert (copy / "data/01_raw/tracked/0.png").read_text() == "the version of the experiment"
    (copy / "data/06_models/.in_progress/f1").mkdir()
    shutil.rmtree(copy)
    assert (original / "data/06_models/.in_progress/f1").is_dir(), (
        "a training outlives the copy that began it"
    )
    assert (original / "data/01_raw/digits/0.png").is_file()


def test_nothing_is_linked_in_the_project_itself(original: Path) -> None:
    before = sorted(original.rglob("*"))
    link_untracked_data(original)
    assert sorted(original.rglob("*")) == before
