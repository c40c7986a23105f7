"""Stages of DVC from pipelines and a catalog, in a checkout and in a project that runs the installed package."""

import shutil
from pathlib import Path

import pytest
import yaml
from kedro.pipeline import Pipeline, node

from dino_pipeline.__main__ import main
from dino_pipeline.project.dvc_stages import FILES, write_stages

ROOT = Path(__file__).parents[2]


def work(*_: object) -> tuple[int, int]:
    return 1, 2


def test_a_stage_has_the_paths_of_its_inputs_and_outputs_and_the_groups_that_count() -> None:
    inputs = ["images", "folder", "params:pretrain.images", "params:launch", "params:ingest"]
    ingest = Pipeline([node(work, inputs, ["seen", "metrics"]), node(work, ["seen"], ["b", "a"])])
    paths = {
        name: {"filepath": f"data/${{recipe}}/{name}"} for name in ("images", "a", "b", "metrics", "model")
    }
    catalog = {
        **paths,
        "attention_picture": {"filepath": "picture.png"},
        "folder": {"filepath": "data", "metadata": {"unwatched": "images may lie anywhere"}},
        "seen": {"type": "MemoryDataset"},
    }
    texts = write_stages({"ingest": ingest}, {"retrieval": ingest}, catalog, code=None)
    stage = yaml.safe_load(texts["dvc.yaml"])["stages"]["ingest"]
    assert stage["cmd"] == "kedro run --env=${recipe} --pipelines=ingest --tags=ingest"
    assert stage["deps"] == ["data/${recipe}/images"]
    assert stage["params"] == [
        {"conf/base/parameters_ingest.yml": ["ingest"]},
        {"conf/base/parameters_pretrain.yml": ["pretrain"]},
        {"conf/${recipe}/parameters.yml": ["ingest", "pretrain"]},
    ]
    assert stage["outs"] == ["data/${recipe}/b", "data/${recipe}/a"]
    assert stage["metrics"] == ["data/${recipe}/metrics"]
    evaluation = yaml.safe_load(texts["evaluations/dvc.yaml"])["stages"]["retrieval"]
    assert evaluation["wdir"] == ".."
    assert evaluation["deps"] == ["conf/${recipe}", "data/${recipe}/images"]
    assert evaluation["outs"][0] == {"data/${recipe}/metrics": {"cache": False}}


def test_the_command_mends_a_stale_file_and_leaves_a_fresh_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """In a project without code of its own no stage watches code, and none has an empty list, which DVC refuses."""
    shutil.copytree(ROOT / "conf" / "base", tmp_path / "conf" / "base")
    for said in ("written", "as it was"):
        assert main(["dvc-stages", f"--project={tmp_path}"]) == 0
        assert capsys.readouterr().out == f"dvc.yaml: {said}.\nevaluations/dvc.yaml: {said}.\n"
    for name in FILES:
        text = (tmp_path / name).read_text()
        assert "src/" not in text
        stages = yaml.safe_load(text)["stages"]
        watched = yaml.safe_load((ROOT / name).read_text())["stages"]
        for stage, entry in watched.items():
            deps = [path for path in entry.pop("deps") if not path.startswith("src/")]
            assert stages[stage] == entry | ({"deps": deps} if deps else {})
    (tmp_path / "dvc.yaml").write_text("stages: {}\n")
    assert main(["dvc-stages", f"--project={tmp_path}"]) == 0
    assert "dvc.yaml: written.\nevaluations/dvc.yaml: as it was." in capsys.readouterr().out
    assert main(["dvc-stages", f"--project={tmp_path / 'conf'}"]) == 1
    assert "it has no conf/base" in capsys.readouterr().err
