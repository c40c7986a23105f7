"""The compare pipeline's nodes as they run: real trainings, a shared run, a diverged row, a kill and what follows."""

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from mlflow import MlflowClient

from dino_pipeline.dino.core.config import from_dict, to_dict
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.training.config import LaunchConfig, MonitoringConfig
from dino_pipeline.dino.weights.published import read_model
from dino_pipeline.experiments.compare.config import CompareConfig
from dino_pipeline.ingestion.config import IngestConfig
from dino_pipeline.pipelines.compare import compare_models, predict_cost
from tests.experiments.conftest import SUMMARY

ROOT = Path(__file__).parents[3]
NO_LOCAL_CROPS = {"pretrain.multi_crop.num_local_crops": 0}

Parameters = dict[str, dict[str, Any]]
MakeComparison = Callable[..., CompareConfig]
Compare = Callable[[CompareConfig], tuple[pd.DataFrame, str, Any]]


def training_groups(parameters: Parameters) -> tuple[PretrainConfig, MonitoringConfig, LaunchConfig]:
    return (
        from_dict(PretrainConfig, parameters["pretrain"]),
        from_dict(MonitoringConfig, parameters["monitoring"]),
        from_dict(LaunchConfig, parameters["launch"]),
    )


def compare_in(project: Path, parameters: Parameters, config: CompareConfig) -> tuple[pd.DataFrame, str, Any]:
    return compare_models(
        pd.read_parquet(project / "manifest.parquet"),
        SUMMARY,
        "predicted",
        project,
        project / "data" / "06_models" / ".in_progress",
        project / "comparisons",
        "tiny",
        *training_groups(parameters),
        from_dict(ExtractConfig, parameters["extract"]),
        config,
    )


@pytest.fixture
def compare(project: Path, images: Path, parameters: Parameters) -> Compare:
    """Compare in a project of its own that has the images."""
    shutil.copytree(images, project, dirs_exist_ok=True)
    return lambda config: compare_in(project, parameters, config)


def test_a_training_and_a_shared_model_stand_beside_the_baselines(
    compare: Compare, comparing: MakeComparison, client: MlflowClient
) -> None:
    table, page, _ = compare(comparing(overlays={"plain": {}}))
    rows = table.set_index(["row", "split"])
    assert list(dict.fromkeys(table["row"])) == ["plain", "random initialisation", "raw pixels"]
    plain, random = rows.loc[("plain", "test")], rows.loc[("random initialisation", "test")]
    assert plain["above_random"] == pytest.approx(plain["knn"] - random["knn"])
    assert rows.loc[("raw pixels", "test"), "knn"] == 1, "red and blue are told apart by pixels"
    assert "over 16 images" in page

    # The comparison has a run of its own, beside the model's, which any other comparison may name.
    runs = client.search_runs([e.experiment_id for e in client.search_experiments()])
    (own,) = [run for run in runs if "comparison_run" in run.data.tags]
    (trained,) = [run for run in runs if "fingerprint" in run.data.tags]
    assert trained.data.tags["comparison.comparison"] == "plain"
    assert own.data.metrics["test/knn/plain"] == pytest.approx(plain["knn"])
    assert {"comparison.csv", "comparison.md", "comparison.png", "comparison.json"} <= {
        file.path for file in client.list_artifacts(own.info.run_id)
    }
    shared, _, _ = compare(comparing(name="again", runs={"found": trained.info.run_id}))
    again = shared.set_index(["row", "split"]).loc[("found", "test")]
    assert (again["knn"], again["image_low"]) == (plain["knn"], plain["image_low"])

    with pytest.raises(ValueError, match=r"compare\.runs, row 'lost': there is no model 'nowhere'"):
        compare(comparing(runs={"lost": "nowhere"}))
    with pytest.raises(ValueError, match=r"row 'large': pretrain\.batch_size is 64.*set it to 32 or less"):
        compare(comparing(overlays={"small": {}, "large": {"pretrain.batch_size": 64}}))


@pytest.mark.full
def test_seeds_and_a_diverged_row(compare: Compare, comparing: MakeComparison) -> None:
    diverging = {
        "pretrain.schedules.learning_rate.start": 1e30,
        "pretrain.schedules.learning_rate.end": 1e30,
        "pretrain.non_finite.max_skips_in_a_row": 1,  # the run has few steps
        "pretrain.non_finite.max_rollbacks": 0,
    }
    table, page, _ = compare(
        comparing(
            overlays={"plain": {}, "two crops": NO_LOCAL_CROPS, "diverging": diverging},
            seeds=[0, 1],
            expected=[["raw pixels", "plain"], ["plain", "diverging"]],
            published={"plain": {"knn": 72.8}},
            reference="plain",
        )
    )
    rows = table.set_index(["row", "split"])
    plain = rows.loc[("plain", "test")]
    assert plain["num_models"] == 2
    assert plain["seed_low"] <= plain["knn"] <= plain["seed_high"]
    assert plain["knn"] == pytest.approx(sum(map(float, plain["by_model"].split())) / 2)
    assert plain["published_knn_percent"] == 72.8
    assert rows.loc[("two crops", "val"), "num_models"] == 2, "a row that diverges leaves the others to go on"
    lost = rows.loc[("diverging", "test")]
    assert lost["num_models"] == 0
    assert "seed 0 did not finish training" in lost["notes"]
    assert "2 steps in a row had a loss or gradient that is not finite" in lost["notes"]
    assert "| plain > diverging | not measured | - |" in page
    assert "This comparison " in page


@pytest.mark.full
def test_a_stopped_comparison_goes_on_where_it_was(
    compare: Compare, comparing: MakeComparison, project: Path, parameters: Parameters
) -> None:
    config = comparing(overlays={"plain": {}, "two crops": NO_LOCAL_CROPS})
    (project / "parameters.yml").write_text(yaml.safe_dump({**parameters, "compare": to_dict(config)}))
    code = f"""
        import sys, yaml
        from pathlib import Path
        from dino_pipeline.experiments.compare.config import CompareConfig
        from dino_pipeline.dino.core.config import from_dict
        from tests.experiments.compare.test_compare import compare_in
        project = Path({str(project)!r})
        parameters = yaml.safe_load((project / "parameters.yml").read_text())
        compare_in(project, parameters, from_dict(CompareConfig, parameters["compare"]))
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    running = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)})
    trainings = project / "data" / "06_models" / ".in_progress"
    deadline = time.monotonic() + 300
    while not list(trainings.glob("*/finished/model.json")) and time.monotonic() < deadline:
        assert running.poll() is None
        time.sleep(0.05)
    running.send_signal(signal.SIGKILL)
    running.wait()
    (first,) = trainings.glob("*/finished/model.json")
    written = first.stat().st_mtime_ns

    table, _, _ = compare(config)
    assert set(table["row"]) >= {"plain", "two crops"}
    assert first.stat().st_mtime_ns == written, "what was finished is not trained again"
    assert len(list(trainings.glob("*/finished"))) == 2
    assert read_model(first.parent).fingerprint == first.parents[1].name


def test_a_dry_run_says_hours_and_refuses_what_no_training_has(
    parameters: Parameters, comparing: MakeComparison, tmp_path: Path
) -> None:
    def dry_run(config: CompareConfig, manifest: Any, source: str) -> str:
        ingest = from_dict(IngestConfig, parameters["ingest"] | {"source": source})
        return predict_cost(manifest, tmp_path, ingest, *training_groups(parameters), config)

    config = comparing(overlays={"plain": {}, "twice": {"pretrain.epochs": 2}}, seeds=[0, 1, 2])
    manifest = pd.DataFrame({"split": ["train"] * 32 + ["val"] * 8})
    plain, twice, total = dry_run(config, manifest, "a folder").splitlines()[2:5]
    assert plain.split(" | ")[1::2][:2] == ["3", "4"], "three seeds of 32 / 8 steps"
    assert twice.split(" | ")[3] == "8"
    assert total.split(" | ")[1] == "6"
    hours = [float(row.split(" | ")[4]) for row in (plain, twice)]
    assert hours[1] == pytest.approx(2 * hours[0], rel=0.1)
    assert "1,268,355 train images" in dry_run(config, None, "data/01_raw/imagenet")
    assert "is known after" in dry_run(config, None, "my folder")
    with pytest.raises(ValueError, match=r"row 'typo': pretrain\.epoks"):
        dry_run(comparing(overlays={"plain": {}, "typo": {"pretrain.epoks": 3}}), None, "my folder")
    assert dry_run(comparing(runs={"found": "x"}), None, "my folder") == "Nothing is trained.\n"
