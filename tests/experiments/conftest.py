"""Sixty-four small images of two classes, and a comparison of trainings of seconds on them."""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.experiments.compare.config import CompareConfig
from dino_pipeline.workspace.config_loader import shared_parameters
from dino_pipeline.workspace.project_folder import conf_folder
from tests.dino.conftest import LAUNCH, MONITORING, PRETRAIN

SUMMARY = {
    "name": "red and blue",
    "source": "images",
    "digest": 64 * "d",
    "num_images": 64,
    "splits": {"train": 32, "val": 16, "test": 16},
    "num_classes": 2,
    "classes": {"blue": 32, "red": 32},
    "is_labelled": True,
}
Parameters = dict[str, dict[str, Any]]


@pytest.fixture(scope="session")
def parameters() -> Parameters:
    """The smoke recipe's, with a training of four steps."""
    groups = shared_parameters(conf_folder(), "smoke")
    pretrain = PRETRAIN | {"epochs": 1, "precision": "fp32"}
    return groups | {
        "pretrain": pretrain,
        "monitoring": MONITORING | {"num_trial_steps": 0},
        "launch": LAUNCH | {"cpu_processes": 1},
    }


@pytest.fixture(scope="session")
def comparing(parameters: Parameters) -> Callable[..., CompareConfig]:
    """A comparison: the shipped values with others above them."""

    def make(**changes: Any) -> CompareConfig:
        return from_dict(CompareConfig, parameters["compare"] | changes)

    return make


@pytest.fixture(scope="session")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 32 train, 16 validation and 16 test images, half of them red, half blue, and their manifest."""
    folder = tmp_path_factory.mktemp("images")
    rows = []
    for index in range(64):
        noise = np.random.default_rng(index).integers(0, 100, (20, 20, 3), dtype=np.uint8)
        noise[:, :, 2 * (index % 2)] += 100
        cv2.imwrite(str(folder / f"{index}.png"), noise)
        content = (folder / f"{index}.png").read_bytes()
        rows.append(
            {
                "path": f"{index}.png",
                "member": None,
                "offset": None,
                "split": "train" if index < 32 else "val" if index < 48 else "test",
                "label": "red" if index % 2 else "blue",
                "width": 20,
                "height": 20,
                "bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
            }
        )
    pd.DataFrame(rows).to_parquet(folder / "manifest.parquet")
    return folder
