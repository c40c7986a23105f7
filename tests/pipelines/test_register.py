"""What a run says to do next is true in the project that it ran in."""

from pathlib import Path

import pytest

from dino_pipeline import tracking
from dino_pipeline.pipelines.register import next_commands
from dino_pipeline.recipes.init.project import prepare_project


@pytest.fixture(autouse=True)
def _no_address(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)


def test_a_project_of_init_has_neither_make_nor_dvc_nor_the_packages_recipes(tmp_path: Path) -> None:
    project = tmp_path / "my photos"
    prepare_project(project, recipe="photos")
    tracking.configure(project)
    said = next_commands(project, "photos")
    assert f"mlflow ui --backend-store-uri 'sqlite:///{project}/mlruns/mlflow.db'  " in said
    assert "kedro run --env=photos    run again only what has changed" in said
    assert "dino-pipeline embed FOLDER --model photos --output features.parquet" in said
    for absent in ("make ", "dvc repro", "folder_of_images"):
        assert absent not in said


def test_a_checkout_has_all_of_them(tmp_path: Path) -> None:
    prepare_project(tmp_path, recipe="base")
    (tmp_path / ".dvc").mkdir()
    (tmp_path / "conf" / "folder_of_images").mkdir()
    (tmp_path / "Makefile").write_text("help:\n\techo\n\nui: setup\n\tmlflow ui\n")
    tracking.configure(tmp_path)
    said = next_commands(tmp_path, "base")
    for present in (
        "  make ui  ",
        "  dvc repro  ",
        "kedro run --env=folder_of_images --params=ingest.source=/photos",
    ):
        assert present in said
    assert "dvc repro" not in next_commands(tmp_path, "smoke"), "DVC runs the recipe of conf/dvc_recipe.yml"


def test_a_server_is_named_by_its_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@host:5000")
    prepare_project(tmp_path, recipe="photos")
    tracking.configure(tmp_path)
    said = next_commands(tmp_path, "photos")
    assert "host:5000" in said
    assert "secret" not in said
