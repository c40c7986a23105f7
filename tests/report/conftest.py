"""A labelled manifest of photographs, a published model of untrained weights, and all that a page is made from."""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file
from sklearn.datasets import load_sample_image
from torch import nn

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.manifest import Manifest
from dino_pipeline.dino.core.models.backbone import build_backbone
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
from dino_pipeline.dino.evaluation.features import Features
from dino_pipeline.dino.training.history import HISTORY_COLUMNS
from dino_pipeline.dino.weights.published import PublishedModel, write_model
from dino_pipeline.ingestion.summary import summarise
from dino_pipeline.recipes.reading import recipe_parameters
from dino_pipeline.report.config import ReportConfig

NUM_IMAGES = 30
VIT = {
    "name": "vit_tiny_patch16_224",
    "options": {"img_size": 16, "patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 3},
    "drop_path_rate": 0.0,
}
CONVNET = {"name": "resnet10t", "options": {}, "drop_path_rate": 0.0}


@dataclass(frozen=True)
class Material:
    """What the pipelines before the report have made."""

    images: Manifest
    refused: list[tuple[str, str, str]]
    summary: dict[str, Any]
    model: Path
    features: Features
    metrics: dict[str, Any]
    parameters: dict[str, Any]
    config: ReportConfig


@pytest.fixture(scope="session")
def report_config():
    return from_dict(ReportConfig, recipe_parameters("smoke")["report"])


def manifest_of_photographs(root: Path, *, is_labelled: bool) -> Manifest:
    rows = []
    for index in range(NUM_IMAGES):
        name = "china.jpg" if index % 2 else "flower.jpg"
        path = root / f"{index}.png"
        Image.fromarray(load_sample_image(name)[:120, index * 15 : index * 15 + 90]).save(path)
        data = path.read_bytes()
        rows.append(
            {
                "path": path.name,
                "member": None,
                "offset": None,
                "split": "train" if index < 20 else "val" if index < 25 else "test",
                "label": ("<b>palace</b>" if index % 2 else "flower") if is_labelled else None,
                "width": 90,
                "height": 120,
                "bytes": len(data),
                "sha256": hashlib.sha256(data).hexdigest(),
            }
        )
    return Manifest.from_pandas(pd.DataFrame(rows), root)


def material(folder: Path, config: ReportConfig, *, backbone: dict[str, Any], is_labelled: bool) -> Material:
    images = manifest_of_photographs(folder, is_labelled=is_labelled)
    parameters = recipe_parameters("smoke")["pretrain"] | {"backbone": backbone}
    torch.manual_seed(0)
    network = nn.ModuleDict({"backbone": build_backbone(from_dict(BackboneConfig, backbone))})
    (folder / "model").mkdir()
    description = PublishedModel(
        fingerprint="abc", data_digest=images.digest(), recipe="smoke", config=parameters
    )
    weights = network.state_dict()
    write_model(folder / "model", description, {"teacher": weights, "student": weights})
    (folder / "model" / "history.csv").write_text(history(is_labelled=is_labelled))
    refused = [("broken & odd.jpg", "", "truncated: 12 of 300 bytes")]
    return Material(
        images=images,
        refused=refused,
        summary=summarise(images.table, [reason for *_, reason in refused]),
        model=folder / "model",
        features=features_of(images),
        metrics=metrics(is_labelled=is_labelled),
        parameters=parameters,
        config=config,
    )


def history(*, is_labelled: bool) -> str:
    """Four rows, the second and the last with an online evaluation."""
    lines = [",".join(HISTORY_COLUMNS)]
    for step in (1, 2, 3, 4):
        row = dict.fromkeys(HISTORY_COLUMNS, f"{1 / step:.3f}") | {
            "step": str(step),
            "epoch": str(step / 2),
            "images_seen": str(step * 8),
            "loss": f"{5 - step / 4}",
        }
        if step % 2:
            row |= {name: "" for name in HISTORY_COLUMNS if name.endswith(("teacher", "student"))}
        if not is_labelled:
            row |= {"knn_teacher": "", "knn_student": ""}
        lines.append(",".join(row[name] for name in HISTORY_COLUMNS))
    return "\n".join(lines) + "\n"


def features_of(images: Manifest) -> Features:
    random = np.random.default_rng(0)
    return Features(
        row_ids=images.row_ids,
        splits=np.array(images.table["split"].to_pylist()),
        labels=np.array(images.labels, dtype=object),
        embedding=random.normal(size=(len(images), 6)).astype(np.float32),
        linear=None,
    )


def metrics(*, is_labelled: bool) -> dict[str, Any]:
    def measured(accuracy: float) -> dict[str, float]:
        shape = {"feature_std": 0.1, "effective_rank": 3.0 + accuracy}
        return shape | ({"knn_20": accuracy, "linear": accuracy} if is_labelled else {})

    accuracies = {"teacher": 0.9, "student": 0.85, "random": 0.5, "pixels": 0.4, "histogram": 0.45}
    table = {name: measured(accuracy) for name, accuracy in accuracies.items()}
    return {
        "val": table,
        "test": table,
        "num_images": {"train": 20, "val": 5, "test": 100},
        "num_classes": 2 if is_labelled else 0,
        "skipped": {} if is_labelled else {"linear": "20 of the 20 images of train have no label"},
        "notes": [],
    }


@pytest.fixture(scope="session")
def labelled(tmp_path_factory, report_config):
    """Of a vision transformer, with labels that would be HTML."""
    folder = tmp_path_factory.mktemp("labelled")
    return material(folder, report_config, backbone=VIT, is_labelled=True)


@pytest.fixture(scope="session")
def unlabelled(tmp_path_factory, report_config):
    """Of a ConvNet, without labels."""
    folder = tmp_path_factory.mktemp("unlabelled")
    return material(folder, report_config, backbone=CONVNET, is_labelled=False)


def gathered(material: Material):
    from dino_pipeline.report.content import gather

    return gather(
        material.images,
        material.refused,
        material.summary,
        material.model,
        material.features,
        material.metrics,
        base=recipe_parameters("base")["pretrain"],
        recipe=recipe_parameters("smoke")["pretrain"],
        config=material.config,
    )


@pytest.fixture(scope="session")
def labelled_content(labelled):
    return gathered(labelled)


@pytest.fixture(scope="session")
def unlabelled_content(unlabelled):
    return gathered(unlabelled)


@pytest.fixture(scope="session")
def imported_content(labelled, tmp_path_factory):
    """Of a backbone from elsewhere: no student, no history, no training parameters."""
    folder = tmp_path_factory.mktemp("imported")
    config = {key: labelled.parameters[key] for key in ("backbone", "images", "mean", "std")}
    config["imported"] = {"source": "dino.pth", "kind": "backbone", "epoch": None, "published": None}
    (folder / "model").mkdir()
    description = PublishedModel(fingerprint="abc", data_digest="unknown", recipe="smoke", config=config)
    write_model(folder / "model", description, {"teacher": load_file(labelled.model / "teacher.safetensors")})
    table = {name: values for name, values in labelled.metrics["val"].items() if name != "student"}
    metrics = labelled.metrics | {"val": table, "test": table}
    return gathered(replace(labelled, model=folder / "model", metrics=metrics))
