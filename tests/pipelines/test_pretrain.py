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
from dino_pipeline.dino.core.data.manifest import Manifest, read_manifest
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.training.config import LaunchConfig, MonitoringConfig
from dino_pipeline.dino.training.history import read_rows
from dino_pipeline.dino.weights.config import ModelConfig
from dino_pipeline.dino.weights.published import networks_of, read_model
from dino_pipeline.experiments.import_checkpoint import import_checkpoint
from dino_pipeline.ingestion.config import IngestConfig
from dino_pipeline.ingestion.ingest import Ingested, ingest
from dino_pipeline.ingestion.splits import number
from dino_pipeline.model_registry.lineage.report import report
from dino_pipeline.pipelines.pretrain import pretrain
from dino_pipeline.recipes.reading import recipe_parameters
from dino_pipeline.tracking.runs import manifest_artifact
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


def manifest_of(images: pd.DataFrame, root: Path) -> str:
    """Where a run keeps this manifest."""
    return manifest_artifact(Manifest.from_pandas(images, root).digest())


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
    with pytest.raises(ValueError, match=r"tinny\.pth.* does not exist"):
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
    kept = client.download_artifacts(found.info.run_id, manifest_of(manifest, tmp_path), str(tmp_path))
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


def test_a_corrected_label_and_an_image_more_in_val_train_nothing_and_the_run_keeps_every_manifest(
    project: Path, client: MlflowClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = project / "photos"
    photos.mkdir()
    labels = {}
    for index in range(24):
        add_noise(photos / f"{index}.png", index)
        labels[f"{index}.png"] = "red" if index % 2 else "blue"
    ingest_config = from_dict(
        IngestConfig,
        recipe_parameters("smoke")["ingest"]
        | {"source": "labels.csv", "validation_fraction": 0.3, "test_fraction": 0},
    )
    groups = parameters()

    def run() -> tuple[Ingested, Path]:
        rows = [{"path": f"photos/{name}", "label": label} for name, label in labels.items()]
        pd.DataFrame(rows).to_csv(project / "labels.csv", index=False)
        config = from_dict(PretrainConfig, groups["pretrain"])
        found = ingest(
            ingest_config,
            config.images,
            project_folder=project,
            raw_folder=project / "data" / "01_raw",
            cache_folder=project / "data" / "02_intermediate",
        )
        finished = pretrain(
            found.manifest,
            {"name": "noise", **found.summary},
            project_folder=project,
            training_folder=project / "data" / "06_models" / ".in_progress",
            recipe="tiny",
            model=from_dict(ModelConfig, model_parameters()),
            pretrain=config,
            monitoring=from_dict(MonitoringConfig, groups["monitoring"]),
            launch=from_dict(LaunchConfig, groups["launch"] | {"cpu_processes": 1}),
        )
        return found, finished

    first, finished = run()
    train, val = (
        next(name for name, split in splits(first).items() if split == one) for one in ("train", "val")
    )

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("a training began")

    monkeypatch.setattr("dino_pipeline.dino.launching.torchrun.run", refuse)
    for name in (train, val):
        labels[name] = {"red": "blue", "blue": "red"}[labels[name]]
    second, again = run()
    assert again == finished
    assert splits(second) == splits(first)

    seeds = iter(range(100, 200))
    while number(ingest_config.seed, "val", add_noise(photos / "new.png", next(seeds))) >= 0.3:
        pass
    labels["new.png"] = "red"
    third, again = run()
    assert again == finished
    assert splits(third) == splits(first) | {"new.png": "val"}

    (model,) = client.search_runs([e.experiment_id for e in client.search_experiments()])
    versions = (first, second, third)
    digests = [found.summary["digest"] for found in versions]
    assert model.data.tags["data_digest"] == digests[-1]
    assert read_model(finished).data_digest == digests[0]
    kept = {file.path for file in client.list_artifacts(model.info.run_id, "data/manifests")}
    assert kept == {manifest_artifact(digest) for digest in digests}
    for found in versions:
        file = client.download_artifacts(
            model.info.run_id, manifest_of(found.manifest, project), str(project)
        )
        assert read_manifest(Path(file), project).labels == found.manifest["label"].tolist()
    used = {one.dataset.digest: one.tags[0].value for one in model.inputs.dataset_inputs}
    contexts = ("training", "evaluation", "evaluation")
    assert used == {digest[:36]: context for digest, context in zip(digests, contexts, strict=True)}
    assert model.data.tags["resumed"] == "0"

    def lineage(name: str) -> str:
        return report(name, project, num_hashed=None)

    assert "all files are here (25 hashed again)" in lineage(model.info.run_id)
    assert lineage(str(photos / train)).splitlines()[2:] == [
        f"  {model.info.run_name}, not registered: used for training (photos/{train}, train)"
    ]
    assert lineage(str(photos / "new.png")).splitlines()[2:] == [
        f"  {model.info.run_name}, not registered: used for validation (photos/new.png, val)"
    ]
    assert f"its newest data is {digests[2][:12]}" in lineage(digests[0])


def add_noise(file: Path, seed: int) -> str:
    """Write an image of noise; its sha256."""
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(file)
    return hashlib.sha256(file.read_bytes()).hexdigest()


def splits(found: Ingested) -> dict[str, str]:
    """The split of each image by its file's name."""
    names = [Path(path).name for path in found.manifest["path"]]
    return dict(zip(names, found.manifest["split"], strict=True))
