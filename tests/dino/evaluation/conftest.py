"""A small labelled manifest of real image files."""

import hashlib

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from dino_pipeline.dino.data.evaluation_transform_config import EvaluationTransformConfig
from dino_pipeline.dino.data.manifest import SCHEMA, Manifest
from dino_pipeline.dino.evaluation.config import BaselinesConfig, ExtractConfig

NUM_IMAGES = 45


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
    return EvaluationTransformConfig(resize=16, crop=16, mean=(0.5, 0.4, 0.3), std=(0.2, 0.25, 0.3))


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
