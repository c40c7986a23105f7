"""The pretrain node: trains for real, follows its history into MLflow, and does not train twice."""

import hashlib
import logging
from pathlib import Path

import mlflow.artifacts
import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from mlflow import MlflowClient
from PIL import Image

from dino_pipeline import tracking
from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.manifest import read_manifest
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.training.config import LaunchConfig, MonitoringConfig
from dino_pipeline.dino.training.history import read_rows
from dino_pipeline.dino.weights.config import ModelConfig
from dino_pipeline.dino.weights.published import networks_of, read_model
from dino_pipeline.experiments.import_checkpoint import import_checkpoint
from dino_pipeline.pipelines.pretrain import pretrain
from tests.dino.weights.official_files import official_state

PROJECT = Path(__file__).parents[2]


@pytest.fixture
def manifest(tmp_path: Path) -> pd.DataFrame:
    """Twenty-four noisy images without labels."""
    rows = []
    for index in range(24):
        pixels = np.random.default_rng(index).integers(0, 256, (40, 40, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{index}.png")
        content = (tmp_path / f"{index}.png").read_bytes()
        rows.append(
            {
                "path": f"{index}.png",
                "member": None,
                "offset": None,
                "split": "train" if index < 16 else "val",
                "label": None,
                "width": 40,
                "height": 40,
                "bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
            }
        )
    return pd.DataFrame(rows)


SUMMARY = {
    "name": "noise",
    "source": "noise",
    "digest": 64 * "d",
    "num_images": 24,
    "splits": {"train": 16, "val": 8, "test": 0},
    "num_classes": 0,
    "classes": {},
    "is_labelled": False,
}


def parameters() -> dict[str, dict]:
    """The demo's own values, for an epoch on hardly any images."""
    groups = yaml.safe_load((PROJECT / "conf" / "base" / "parameters_pretrain.yml").read_text())
    groups["pretrain"] |= {"epochs": 1, "batch_size": 8}
    return groups


def model_parameters() -> dict[str, object]:
    values = yaml.safe_load((PROJECT / "conf" / "base" / "parameters_model.yml").read_text())
    return dict(values["model"])


def test_a_checkpoint_is_imported_in_the_place_of_a_training(project: Path, client: MlflowClient) -> None:
    options = {"img_size": 16, "patch_size": 8, "embed_dim": 24, "depth": 1, "num_heads": 3}
    torch.save(official_state("vit_tiny_patch16_224", options), project / "tiny.pth")

    multi_crop = from_dict(PretrainConfig, parameters()["pretrain"]).multi_crop

    def run(**changes: object) -> Path:
        config = from_dict(ModelConfig, model_parameters() | changes)
        training_folder = project / "data" / "06_models" / ".in_progress"
        return import_checkpoint(
            config,
            multi_crop,
            project_folder=project,
            training_folder=training_folder,
            recipe="tiny",
            ingest_summary=SUMMARY,
        )

    architecture = {"architecture": "vit_tiny_patch16_224", "options": options}
    folder = run(checkpoint="tiny.pth", **architecture)
    assert networks_of(folder) == ["teacher"]
    published = read_model(folder)
    assert (published.recipe, published.imported["source"]) == ("tiny", "tiny.pth")
    (found,) = client.search_runs([e.experiment_id for e in client.search_experiments()])
    assert found.data.tags["imported"] == "true"
    assert found.data.params["imported.kind"] == "backbone"
    assert found.data.tags["weights_licence"] == "unknown"
    (used,) = found.inputs.dataset_inputs
    assert (used.dataset.name, used.tags[0].value) == ("noise", "evaluation")
    assert [file.path for file in client.list_artifacts(found.info.run_id, "sessions")] == ["sessions/1"]
    # A model of ours by its run, and by its folder, is taken as it is.
    assert run(checkpoint=found.info.run_id) == run(checkpoint=str(folder)) == folder
    with pytest.raises(ValueError, match=r"there is no file .*tinny\.pth"):
        run(checkpoint="tinny.pth")
    with pytest.raises(ValueError, match="there is no model 'tinny'"):
        run(checkpoint="tinny")


def test_unlabelled_images_train_once_and_leave_their_history_in_mlflow(
    manifest: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    store = tracking.configure(tmp_path, {"recipe": "tiny"})
    groups = parameters()

    def run(**changes: object) -> Path:
        return pretrain(
            manifest,
            SUMMARY,
            project_folder=tmp_path,
            training_folder=tmp_path / "in_progress",
            recipe="tiny",
            model=from_dict(ModelConfig, model_parameters()),
            pretrain=from_dict(PretrainConfig, groups["pretrain"] | changes),
            monitoring=from_dict(MonitoringConfig, groups["monitoring"]),
            launch=from_dict(LaunchConfig, groups["launch"] | {"cpu_processes": 1}),
        )

    finished = run()
    rows = read_rows(finished / "history.csv")
    assert rows[-1]["step"] == "2"
    assert rows[-1]["knn_teacher"] == ""
    assert float(rows[-1]["effective_rank_teacher"]) >= 1

    client = MlflowClient(store.uri)
    (found,) = client.search_runs([e.experiment_id for e in client.search_experiments()])
    assert found.info.status == "FINISHED"
    assert found.data.metrics["loss"] == pytest.approx(float(rows[-1]["loss"]))
    assert found.data.metrics["images_seen"] == 16
    assert found.data.params["pretrain.loss.student_temperature"] == "0.1"
    kept = client.download_artifacts(found.info.run_id, "data/manifest.parquet", str(tmp_path))
    assert read_manifest(Path(kept), tmp_path).sha256 == manifest["sha256"].tolist()
    assert found.data.metrics["system/cpu_utilization_percentage"] > 0
    assert (
        found.data.tags.items()
        >= {"data_set": "noise", "weights_origin": "random weights", "resumed": "0"}.items()
    )
    assert found.inputs.dataset_inputs[0].dataset.digest == 36 * "d"
    session = mlflow.artifacts.load_dict(f"{found.info.artifact_uri}/sessions/1/session.json")
    assert (session["from_step"], session["processes"]) == (0, 1)

    with caplog.at_level(logging.INFO):
        assert run() == finished
    assert "trained already" in caplog.text
    assert client.get_run(found.info.run_id).data.tags["resumed"] == "0"
    with pytest.raises(ValueError, match=r"pretrain\.batch_size is 64.*set it to 16 or less"):
        run(batch_size=64)
