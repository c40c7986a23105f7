"""A written recipe explains itself, is valid, and runs where it lies."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
import yaml

from dino_pipeline.__main__ import main
from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.evaluation.config import EvaluateConfig, ExtractConfig
from dino_pipeline.dino.training.config import LaunchConfig, MonitoringConfig
from dino_pipeline.ingestion.config import IngestConfig
from dino_pipeline.pipeline_registry import EVALUATIONS, STAGES
from dino_pipeline.recipes.reading import watched_groups
from dino_pipeline.workspace.config_loader import MERGE_STRATEGY, LayeredConfigLoader


def test_a_recipe_in_a_new_folder_is_valid_and_says_why(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    project = tmp_path / "project"
    assert main(["init", str(project), f"--images={photos}"]) == 0
    said = capsys.readouterr().out
    assert "41 files, about 28 images to train on" in said, "a fifth is held out for val, a tenth for test"
    assert "too few to learn from scratch" in said
    assert "kedro run --env=my_photos" in said

    loader = LayeredConfigLoader(
        project / "conf", "my_photos", base_env="base", default_run_env="local", merge_strategy=MERGE_STRATEGY
    )
    values = loader["parameters"]
    pretrain = from_dict(PretrainConfig, values["pretrain"])
    for group, config in (
        ("ingest", IngestConfig),
        ("monitoring", MonitoringConfig),
        ("launch", LaunchConfig),
        ("extract", ExtractConfig),
        ("evaluate", EvaluateConfig),
    ):
        from_dict(config, values[group])
    assert values["ingest"]["source"] == str(photos)
    assert pretrain.projection_head.num_prototypes == 1024
    assert pretrain.multi_crop.global_crop_size == 28
    (file,) = (project / "conf" / "my_photos").iterdir()
    text = file.read_text()
    assert text.startswith("# Written by `dino-pipeline init`. 41 files")
    assert "# K for 28 images" in text
    assert set(watched_groups()) <= yaml.safe_load(text).keys()
    for file, pipelines in (("dvc.yaml", STAGES), ("evaluations/dvc.yaml", EVALUATIONS)):
        stages = yaml.safe_load((project / file).read_text())["stages"]
        assert list(stages) == list(pipelines)
        assert all(stage.get("deps", ["none"]) for stage in stages.values()), "DVC refuses an empty list"
        assert all("src/" not in path for stage in stages.values() for path in stage.get("deps", []))


def test_a_recipe_is_not_overwritten_and_another_project_is_not_touched(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "project" / "conf" / "my_photos").mkdir(parents=True)
    assert main(["init", str(tmp_path / "project"), f"--images={photos}"]) == 1
    assert "give another name with --name" in capsys.readouterr().err
    other = tmp_path / "other"
    other.mkdir()
    (other / "pyproject.toml").write_text('[project]\nname = "something"\n')
    assert main(["init", str(other), f"--images={photos}"]) == 1
    assert "belongs to another project" in capsys.readouterr().err
    assert [path.name for path in other.iterdir()] == ["pyproject.toml"]


def test_images_of_other_channels_get_a_recipe_that_reads_them(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    (tmp_path / "bands").mkdir()
    for number in range(12):
        pixels = random.integers(0, 4096, (24, 24, 5)).astype(np.uint16)
        file = tmp_path / "bands" / f"{number}.tif"
        tifffile.imwrite(file, pixels, photometric="minisblack", planarconfig="contig")
    assert main(["init", str(tmp_path / "project"), f"--images={tmp_path / 'bands'}"]) == 0
    written = tmp_path / "project" / "conf" / "bands" / "parameters.yml"
    pretrain = yaml.safe_load(written.read_text())["pretrain"]
    assert pretrain["images"] == {"channels": 5, "bits": 16}
    assert len(pretrain["mean"]) == len(pretrain["std"]) == 5
    assert "# Your files have 5 channels of 16 bits" in written.read_text()


@pytest.mark.full
def test_the_written_recipe_runs_from_images_to_a_registered_model(photos: Path, tmp_path: Path) -> None:
    project = tmp_path / "project"
    assert main(["init", str(project), f"--images={photos}"]) == 0
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    subprocess.run(
        [
            str(Path(sys.executable).with_name("kedro")),
            "run",
            "--env=my_photos",
            "--params=pretrain.epochs=1",
        ],
        cwd=project,
        env=environment,
        check=True,
    )
    assert (project / "data" / "06_models" / "my_photos" / "model.json").is_file()
    assert (project / "data" / "08_reporting" / "my_photos" / "metrics.json").is_file()


def test_folders_that_may_be_splits_are_asked_about_and_the_answer_is_written(
    photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folders = sorted(path for path in photos.iterdir() if path.is_dir())
    folders[0].rename(photos / "holdout")
    command = ["init", str(tmp_path / "project"), f"--images={photos}"]
    assert main(command) == 1
    assert "is 'holdout' a split" in capsys.readouterr().err
    assert main([*command, "--set=ingest.splits.holdout=test"]) == 1
    assert "there is no train folder" in capsys.readouterr().err
    others = [f"--set=ingest.splits.{folder.name}=train" for folder in folders[1:]]
    assert main([*command, "--set=ingest.splits.holdout=test", *others]) == 0
    values = yaml.safe_load((tmp_path / "project" / "conf" / "my_photos" / "parameters.yml").read_text())[
        "ingest"
    ]
    assert values["splits"] == {"holdout": "test"} | {folder.name: "train" for folder in folders[1:]}
    assert "test_fraction" not in values
