"""A small labelled manifest of real image files."""

import hashlib

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_digits

from dino_pipeline.dino.core.config import to_dict
from dino_pipeline.dino.core.data.images_config import ImagesConfig
from dino_pipeline.dino.core.data.manifest import SCHEMA, Manifest
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
from dino_pipeline.dino.core.models.projection_head import ProjectionHeadConfig
from dino_pipeline.dino.core.models.student_teacher import build_student_and_teacher
from dino_pipeline.dino.evaluation.config import BaselinesConfig, ExtractConfig
from dino_pipeline.dino.features.evaluation_transform_config import EvaluationTransformConfig
from dino_pipeline.dino.weights.published import PublishedModel, write_model

NUM_IMAGES = 45
BACKBONE = BackboneConfig(
    name="vit_tiny_patch16_224",
    options={"img_size": 16, "patch_size": 4, "embed_dim": 24, "depth": 3, "num_heads": 3},
    drop_path_rate=0.1,
)
HEAD = ProjectionHeadConfig(
    num_prototypes=16,
    num_layers=2,
    hidden_dim=8,
    bottleneck_dim=4,
    activation="gelu",
    norm_last_layer=True,
    batch_norm=False,
)


@pytest.fixture(scope="session")
def manifest(tmp_path_factory):
    """45 of scikit-learn's digits as PNG files of 16x16 pixels, 25 train, 10 val, 10 test."""
    root = tmp_path_factory.mktemp("digits")
    digits = load_digits()
    rows = []
    for index in range(NUM_IMAGES):
        grey = np.kron(digits.images[index] * 15, np.ones((2, 2))).astype(np.uint8)
        pixels = np.stack([grey, 255 - grey, grey // 2], axis=2)
        path = root / f"{index}.png"
        Image.fromarray(pixels).save(path)
        data = path.read_bytes()
        rows.append(
            {
                "path": path.name,
                "split": "train" if index < 25 else "val" if index < 35 else "test",
                "label": str(digits.target[index]),
                "width": 16,
                "height": 16,
                "bytes": len(data),
                "sha256": hashlib.sha256(data).hexdigest(),
            }
        )
    return Manifest(pa.Table.from_pylist(rows, schema=SCHEMA), root, np.arange(NUM_IMAGES))


@pytest.fixture(scope="session")
def transform():
    return EvaluationTransformConfig(
        resize=16,
        crop=16,
        images=ImagesConfig(channels=3, bits=8),
        mean=(0.5, 0.4, 0.3),
        std=(0.2, 0.25, 0.3),
    )


@pytest.fixture(scope="session")
def extract_config():
    return ExtractConfig(
        resize=16,
        crop=16,
        num_last_blocks=2,
        average_patches=True,
        precision="fp32",
        batch_size=8,
        num_workers=0,
        cpu_processes=1,
        num_threads=1,
        baselines=BaselinesConfig(random_seed=3, batch_norm_images=24, pixels_size=32, histogram_bins=8),
    )


@pytest.fixture(scope="session")
def model_folder(tmp_path_factory):
    """A published ViT of random weights."""
    folder = tmp_path_factory.mktemp("model")
    torch.manual_seed(0)
    student, teacher = build_student_and_teacher(BACKBONE, HEAD)
    config = {"backbone": to_dict(BACKBONE), "images": {"channels": 3, "bits": 8}}
    config |= {"mean": [0.5, 0.4, 0.3], "std": [0.2, 0.25, 0.3]}
    description = PublishedModel(fingerprint="f", data_digest="d", recipe="r", config=config)
    write_model(folder, description, {"teacher": teacher.state_dict(), "student": student.state_dict()})
    return folder
