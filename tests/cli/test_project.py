"""Every command reads the project that it stands in, from any of its folders, or the one of a model's path."""

import shutil
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from dino_pipeline.__main__ import main
from dino_pipeline.dino.weights.published import read_model
from dino_pipeline.recipes.init.project import prepare_project
from tests.published import TINY_VIT, publish


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of `init` with a published model of its own recipe, whose crops differ from base's."""
    folder = tmp_path_factory.mktemp("elsewhere") / "my project"
    prepare_project(folder, recipe="mine")
    (folder / "conf" / "mine").mkdir()
    (folder / "conf" / "mine" / "parameters.yml").write_text("extract: {resize: 40, crop: 32}\n")
    publish(folder / "data" / "06_models" / "mine", TINY_VIT)
    (folder / "notes" / "deep").mkdir(parents=True)
    return folder


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    (tmp_path / "photos").mkdir()
    pixels = np.random.default_rng(0).integers(0, 255, (50, 60, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photos" / "a.png")
    return tmp_path / "photos"


def embedded(photos: Path, output: Path, model: str) -> dict[bytes, bytes]:
    assert main(["embed", str(photos), "--model", model, f"--output={output}"]) == 0
    metadata: dict[bytes, bytes] = pq.read_schema(output).metadata
    return metadata


@pytest.mark.parametrize("folder", ["", "notes/deep", "data/06_models"])
@pytest.mark.parametrize("name", ["mine", "ffffff", "data/06_models/mine"])
def test_a_model_is_found_from_any_folder_of_its_project(
    folder: str, name: str, project: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(project / folder)
    assert embedded(photos, tmp_path / "e.parquet", name)[b"crop"] == b"32"


def test_a_model_of_another_project_is_prepared_as_there(
    project: Path, photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    prepare_project(other, recipe="theirs")
    (tmp_path / "nowhere").mkdir()
    for number, place in enumerate((other, tmp_path / "nowhere")):
        monkeypatch.chdir(place)
        model = str(project / "data" / "06_models" / "mine")
        assert embedded(photos, tmp_path / f"{number}.parquet", model)[b"crop"] == b"32"


@pytest.mark.parametrize(
    "command",
    [["lineage", "mine"], ["promote", "mine", "1"], ["adopt", "--all"], ["clean-results"], ["dvc-stages"],
     ["sync-mlflow"], ["repair-artifacts"], ["merge-recipe", "mine"]],
)  # fmt: skip
def test_without_a_project_one_line_says_what_to_do(
    command: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(command) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert (
        "is not in a project of dino-pipeline: go into one, name it with --project DIR, or make one" in error
    )
    assert not list(tmp_path.iterdir()), "nothing stray"


@pytest.mark.full
def test_lineage_takes_the_names_of_a_model_and_does_not_take_a_typo_for_an_image(
    project: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(project, copy)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.chdir(copy / "notes")
    assert main(["lineage", "mine"]) == 1
    fingerprint = read_model(copy / "data" / "06_models" / "mine").fingerprint
    assert (
        f"mine is the model {fingerprint}, which MLflow's store of {copy} does not know"
        in capsys.readouterr().err
    )
    assert main(["lineage", "mein"]) == 1
    assert "there is no model 'mein'" in capsys.readouterr().err


def test_a_version_is_named_for_promotion_as_elsewhere(
    project: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(project)
    assert main(["promote", "dino-mine/x"]) == 1
    assert (
        "give a version by its number, for example: dino-pipeline promote dino-mine 3"
        in capsys.readouterr().err
    )
