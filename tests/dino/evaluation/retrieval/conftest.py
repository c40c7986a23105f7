"""A tiny data set laid out as revisited Oxford, and networks that search it."""

import pickle

import numpy as np
import pytest
import torch
from PIL import Image
from sklearn.datasets import load_sample_image

from dino_pipeline.dino.core.models.backbone import build_backbone
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
from dino_pipeline.dino.evaluation.networks import Networks
from dino_pipeline.dino.evaluation.retrieval.config import (
    RetrievalConfig,
    RetrievalPictureConfig,
    RevisitedConfig,
)

VIT = BackboneConfig(
    name="vit_tiny_patch16_224",
    options={"img_size": 16, "patch_size": 4, "embed_dim": 24, "depth": 2, "num_heads": 3},
    drop_path_rate=0.0,
)


@pytest.fixture
def networks(transform):
    torch.manual_seed(0)
    return Networks({name: build_backbone(VIT).eval() for name in ("teacher", "random")}, transform)


@pytest.fixture
def folder(tmp_path):
    """Six images; the first query is a copy of image 4, the second the left half of image 5."""
    (tmp_path / "jpg").mkdir()
    photograph = load_sample_image("flower.jpg")
    tiles = [photograph[40 * i : 40 * i + 30, 60 * i : 60 * i + 50] for i in range(6)]
    for name, pixels in zip("abcdefgh", [*tiles, tiles[4], tiles[5]], strict=True):
        Image.fromarray(pixels).save(tmp_path / "jpg" / f"{name}.jpg", format="PNG")
    truth = [
        {"bbx": [0, 0, 50, 30], "easy": [4], "hard": [1, 2], "junk": [3]},
        {"bbx": [0.0, 0.0, 24.6, 30.0], "easy": [], "hard": [5], "junk": np.array([0, 1])},
    ]
    content = {"imlist": list("abcdef"), "qimlist": ["g", "h"], "gnd": truth}
    (tmp_path / "gnd_tiny.pkl").write_bytes(pickle.dumps(content))
    return tmp_path


@pytest.fixture
def revisited_config(folder):
    return RevisitedConfig(folder=str(folder), image_size=40, scales=(1.0, 0.5), crop_queries=False)


@pytest.fixture
def retrieval_config(revisited_config):
    return RetrievalConfig(
        query_split=None,
        scales=(1.0, 0.5),
        cutoffs=(1, 5),
        revisited={"tiny": revisited_config},
        picture=RetrievalPictureConfig(num_queries=2, num_neighbors=3, image_size=24),
        num_threads=1,
    )
