"""What is kept between comparisons: a model's hits once, its baselines' once for all models that share them."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
from dino_pipeline.dino.core.models.projection_head import ProjectionHeadConfig
from dino_pipeline.dino.core.models.student_teacher import build_student_and_teacher
from dino_pipeline.dino.evaluation.config import ExtractConfig
from dino_pipeline.dino.evaluation.launch import extract
from dino_pipeline.dino.metrics.knn import knn_accuracy
from dino_pipeline.dino.weights.published import PublishedModel, write_model
from dino_pipeline.experiments.compare.config import CompareConfig
from dino_pipeline.experiments.compare.scoring import score

WriteModel = Callable[..., Path]


@pytest.fixture
def write(parameters: dict[str, dict[str, Any]], tmp_path: Path) -> WriteModel:
    """A published model of random weights, each seed's of its own."""
    pretrain = parameters["pretrain"]

    def model(seed: int, **changes: object) -> Path:
        torch.manual_seed(seed)
        config = {name: pretrain[name] for name in ("backbone", "mean", "std")}
        config |= {"images": {"channels": 3, "bits": 8}} | changes
        student, teacher = build_student_and_teacher(
            from_dict(BackboneConfig, config["backbone"]),
            from_dict(ProjectionHeadConfig, pretrain["projection_head"]),
        )
        described = PublishedModel(fingerprint=f"{seed}{changes}", data_digest="d", recipe="r", config=config)
        folder = tmp_path / f"model-{seed}-{len(changes)}"
        folder.mkdir()
        write_model(folder, described, {"teacher": teacher.state_dict(), "student": student.state_dict()})
        return folder

    return model


def test_baselines_are_shared_by_models_of_one_architecture_and_one_preparation(
    images: Path,
    parameters: dict[str, dict[str, Any]],
    comparing: Callable[..., CompareConfig],
    write: WriteModel,
    tmp_path: Path,
) -> None:
    manifest = Manifest.from_pandas(pd.read_parquet(images / "manifest.parquet"), images)
    extracting = from_dict(ExtractConfig, parameters["extract"])
    config, cache = comparing(), tmp_path / "scores"

    def kept(model: Path) -> list[str]:
        before = set(cache.glob("*"))
        scores = score(model, manifest, extracting, config, cache)
        # Against the evaluation's own accuracy, of features extracted all at once.
        features = extract(manifest, model, extracting)
        for network in ("teacher", "random", "pixels"):
            train, test = features[network].split("train"), features[network].split("test")
            red = [torch.tensor([label == "red" for label in part.labels]).long() for part in (train, test)]
            k = config.knn.num_neighbors
            accuracy = knn_accuracy(
                torch.from_numpy(train.embedding),
                red[0],
                torch.from_numpy(test.embedding),
                red[1],
                num_neighbors=[k],
                temperature=config.knn.temperature,
            )[k]
            assert float(scores.correct[network]["test"].double().mean()) == pytest.approx(accuracy.top1)
        return sorted(file.name.rpartition("-")[0] for file in set(cache.glob("*")) - before)

    first = write(1)
    assert kept(first) == ["random-pixels", "teacher"]
    assert kept(first) == []
    assert kept(write(2)) == ["teacher"]
    assert kept(write(2, mean=[0.1, 0.1, 0.1])) == ["random-pixels", "teacher"]
