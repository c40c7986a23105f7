"""The cost of a recipe is predicted where it can be known, and from what is there."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

from dino_pipeline.__main__ import main
from dino_pipeline.dino.core.data.manifest import SCHEMA, Manifest, write_manifest
from dino_pipeline.pipeline_registry import register_pipelines
from dino_pipeline.recipes import run_cost
from dino_pipeline.recipes.reading import recipe_parameters
from dino_pipeline.recipes.speed import RunConfig, measure_speed


@pytest.fixture(scope="module")
def config() -> RunConfig:
    return RunConfig.of(recipe_parameters("base"))


def photograph() -> bytes:
    file = io.BytesIO()
    pixels = np.random.default_rng(0).integers(0, 256, (50, 60, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def test_each_stage_s_speed_is_measured_and_its_features_have_their_sizes(config: RunConfig) -> None:
    speed = measure_speed(config, [photograph()])
    assert min(speed[:5]) > 0
    assert min(speed.knn_pair, speed.knn_product) >= 0
    width = config.pretrain.backbone.options["embed_dim"]
    assert speed.dimensions["teacher"] == speed.dimensions["random"] == (width, 2 * width)
    assert speed.dimensions["pixels"] == (3 * config.extract.crop**2,) * 2


def test_images_are_counted_in_the_manifest_or_known_or_asked_for(config: RunConfig, tmp_path: Path) -> None:
    known = run_cost._images(config, "base", tmp_path, None)
    assert known[0] == (1800, 740, 18)
    asked = run_cost._images(config, "base", tmp_path, 900)
    assert asked[0][:2] == (900, 100)  # a tenth of all is held out

    (tmp_path / "one.png").write_bytes(photograph())
    rows = [
        {
            "path": "one.png",
            "split": split,
            "label": "a",
            "width": 60,
            "height": 50,
            "bytes": len(photograph()),
            "sha256": "",
        }
        for split in ("train", "train", "val")
    ]
    file = tmp_path / run_cost.MANIFEST.format(recipe="base")
    file.parent.mkdir(parents=True)
    write_manifest(Manifest(pa.Table.from_pylist(rows, schema=SCHEMA), tmp_path, np.arange(3)), file)
    counts, sample, _ = run_cost._images(config, "base", tmp_path, None)
    assert counts == (2, 1, 1)
    assert sample == [photograph()] * 3


def test_images_of_a_folder_are_estimated_without_ingestion(config: RunConfig, tmp_path: Path) -> None:
    for number in range(20):
        file = tmp_path / "photos" / "ab"[number % 2] / f"{number}.png"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(photograph())
    own = config._replace(ingest=replace(config.ingest, source=str(tmp_path / "photos")))
    counts, sample, _ = run_cost._images(own, "mine", tmp_path, None)
    assert counts == (18, 2, 2)  # a tenth for val, and no test
    assert sample


def test_a_recipe_without_images_asks_for_their_number(config: RunConfig, tmp_path: Path) -> None:
    none = config._replace(ingest=replace(config.ingest, source=None))
    with pytest.raises(ValueError, match="--images=N"):
        run_cost._images(none, "mine", tmp_path, None)


def test_the_command_prints_each_stage(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["cost", "base", "--price-per-hour=2", "--images=5000", "--set=pretrain.epochs=3"]) == 0
    printed = capsys.readouterr().out
    assert "5,000 train images and 556 held out" in printed
    assert "The training has 468 steps" in printed  # 3 epochs of 156
    stages = [line.split()[0] for line in printed.splitlines()[2:10]]
    assert stages == ["ingest", "pretrain", "extract", "probe", "evaluate", "report", "register", "all"]
    assert "price" in printed.splitlines()[1]
    assert not list(tmp_path.iterdir()), "a prediction writes nothing"
    assert main(["cost", "nowhere"]) == 1


def test_no_ordinary_run_predicts_its_cost() -> None:
    pipelines = register_pipelines()
    assert [node.tags for node in pipelines["cost"].nodes] == [{"dry_run"}]
    assert not pipelines["__default__"].only_nodes_with_tags("dry_run").nodes
