"""Images whose class a tiny network can learn in seconds, and a published model that never saw them."""

import hashlib
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pytest
import torch
from PIL import Image

from dino_pipeline.dino.core.data.manifest import SCHEMA, Manifest
from dino_pipeline.dino.core.models.backbone import build_backbone
from dino_pipeline.dino.core.models.backbone_config import BackboneConfig
from dino_pipeline.dino.core.optimization.config import ScheduleConfig
from dino_pipeline.dino.evaluation.config import BaselinesConfig, ExtractConfig
from dino_pipeline.dino.evaluation.fine_tune.config import FineTuneConfig, MixConfig, TrainViewConfig
from dino_pipeline.dino.weights.published import PublishedModel, write_model

COLORS = {"amber": (200, 150, 40), "blue": (40, 60, 200), "green": (40, 180, 60)}
COUNTS = {"train": 48, "val": 15, "test": 15}


class Easy(NamedTuple):
    manifest: Manifest
    architecture: BackboneConfig


@pytest.fixture(scope="session")
def easy(tmp_path_factory):
    """78 noisy patches of three colours, 16x16 pixels."""
    root = tmp_path_factory.mktemp("colours")
    random = np.random.default_rng(0)
    rows = []
    for index, split in enumerate(np.repeat(list(COUNTS), list(COUNTS.values()))):
        label = list(COLORS)[index % 3]
        pixels = np.clip(COLORS[label] + random.normal(0, 40, (16, 16, 3)), 0, 255).astype(np.uint8)
        path = root / f"{index}.png"
        Image.fromarray(pixels).save(path)
        data = path.read_bytes()
        rows.append(
            {
                **{"path": path.name, "split": str(split), "label": label, "width": 16, "height": 16},
                **{"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()},
            }
        )
    manifest = Manifest(pa.Table.from_pylist(rows, schema=SCHEMA), root, np.arange(len(rows)))
    options = {"img_size": 16, "patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 3}
    return Easy(manifest, BackboneConfig(name="vit_tiny_patch16_224", options=options, drop_path_rate=0.0))


@pytest.fixture(scope="session")
def model(easy, tmp_path_factory):
    folder = tmp_path_factory.mktemp("model")
    torch.manual_seed(1)
    state = {
        f"backbone.{name}": value for name, value in build_backbone(easy.architecture).state_dict().items()
    }
    architecture = {
        "name": easy.architecture.name,
        "options": easy.architecture.options,
        "drop_path_rate": 0.0,
    }
    config = {
        "backbone": architecture,
        "images": {"channels": 3, "bits": 8},
        "mean": [0.5, 0.5, 0.5],
        "std": [0.25, 0.25, 0.25],
    }
    description = PublishedModel(fingerprint="f", data_digest="d", recipe="smoke", config=config)
    write_model(folder, description, {"teacher": state, "student": state})
    return folder


@pytest.fixture(scope="session")
def extract():
    return ExtractConfig(
        resize=16,
        crop=16,
        num_last_blocks=1,
        average_patches=False,
        precision="fp32",
        batch_size=16,
        num_workers=0,
        cpu_processes=1,
        num_threads=1,
        baselines=BaselinesConfig(random_seed=3, batch_norm_images=16, pixels_size=16, histogram_bins=4),
    )


@pytest.fixture(scope="session")
def config():
    return FineTuneConfig(
        supervised_weights=None,
        seed=5,
        epochs=6,
        batch_size=10,
        precision="fp32",
        drop_path_rate=0.1,
        learning_rate=ScheduleConfig(warmup_from=0.0, start=0.05, end=1e-4, warmup_fraction=0.1),
        layer_decay=0.75,
        weight_decay=0.05,
        view=TrainViewConfig(
            crop_scale=(0.5, 1.0),
            flip_probability=0.5,
            rand_augment_operations=0,
            rand_augment_magnitude=9,
        ),
        mix=MixConfig(
            mixup_alpha=0.8, cutmix_alpha=1.0, probability=0.5, switch_probability=0.5, label_smoothing=0.1
        ),
        num_workers=0,
        num_threads=1,
    )
