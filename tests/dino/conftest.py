"""A training of seconds on sixty small images that look different from one another."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.manifest import Manifest, write_manifest
from dino_pipeline.dino.training.config import TrainingSpec

VIEW = {
    "flip_probability": 0.5,
    "jitter_probability": 0.8,
    "brightness": 0.4,
    "contrast": 0.4,
    "saturation": 0.2,
    "hue": 0.1,
    "grayscale_probability": 0.2,
    "blur_probability": 0.5,
    "blur_radius": [0.1, 2.0],
    "solarize_probability": 0.2,
}


class StopAfter:
    """Stops after a number of steps, as a signal would."""

    def __init__(self, steps: float) -> None:
        self.steps = steps

    def agreed(self) -> bool:
        self.steps -= 1
        return self.steps <= 0


def constant(value: float) -> dict[str, float]:
    return {"warmup_from": value, "start": value, "end": value, "warmup_fraction": 0.0}


PRETRAIN = {
    "seed": 3,
    "initial_weights": None,
    "new_head": False,
    "epochs": 2,
    "max_hours": None,
    "batch_size": 8,
    "accumulation_steps": 1,
    "precision": "fp64",
    "images": {"channels": 3, "bits": 8},
    "mean": [0.5, 0.5, 0.5],
    "std": [0.25, 0.25, 0.25],
    "backbone": {
        "name": "vit_tiny_patch16_224",
        "options": {"img_size": 16, "patch_size": 8, "embed_dim": 24, "depth": 2, "num_heads": 3},
        "drop_path_rate": 0.3,
    },
    "projection_head": {
        "num_prototypes": 32,
        "num_layers": 3,
        "hidden_dim": 32,
        "bottleneck_dim": 16,
        "activation": "gelu",
        "norm_last_layer": False,
        "batch_norm": True,
    },
    "predictor": {"num_layers": 0, "hidden_dim": 32, "batch_norm": True},
    "teacher": {
        "name": "momentum",
        "num_snapshots": 2,
        "batch_statistics": True,
        "weights": None,
        "backbone": None,
    },
    "multi_crop": {
        "global_crop_size": 16,
        "global_crop_scale": [0.4, 1.0],
        "num_local_crops": 2,
        "local_crop_size": 8,
        "local_crop_scale": [0.1, 0.4],
        "global_1": VIEW,
        "global_2": VIEW,
        "local": VIEW,
    },
    "loss": {
        "name": "dino",
        "options": {},
        "student_temperature": 0.1,
        "centering": "center",
        "center_momentum": 0.9,
        "queue_length": 0,
        "koleo_weight": 0.0,
        "coding_rate_weight": 0.0,
        "coding_rate_epsilon": 0.2,
    },
    "schedules": {
        "learning_rate": {"warmup_from": 0.0, "start": 0.03, "end": 1e-5, "warmup_fraction": 0.2},
        "weight_decay": {"warmup_from": 0.04, "start": 0.04, "end": 0.4, "warmup_fraction": 0.0},
        "teacher_momentum": {"warmup_from": 0.9, "start": 0.9, "end": 1.0, "warmup_fraction": 0.0},
        "teacher_temperature": constant(0.04),
    },
    "optimizer": {
        "name": "adamw",
        "betas": [0.9, 0.999],
        "momentum": 0.9,
        "clip_gradient_norm": 0.3,
        "freeze_last_layer_fraction": 0.2,
        "freeze_backbone_fraction": 0.0,
        "backbone_learning_rate_scale": 1.0,
    },
    "non_finite": {"max_skips_in_a_row": 20, "max_rollbacks": 0, "rollback_factor": 0.5},
}
MONITORING = {
    "log_every_steps": 2,
    "checkpoint_every_steps": 100,
    "keep_last_checkpoints": 2,
    "keep_checkpoint_every_steps": None,
    "evaluate_every_epochs": 1,
    "num_neighbors": 5,
    "temperature": 0.07,
    "max_images": 100,
    "resize": 16,
    "crop": 16,
    "num_trial_steps": 2,
    "stop_on_collapse": False,
    "max_unreadable_fraction": 0.1,
}
LAUNCH = {
    "cpu_processes": 2,
    "threads_per_process": 1,
    "loader_workers": 0,
    "augment_on_device": False,
    "gradient_checkpointing": False,
    "shard_weights": False,
    "compile": False,
    "max_restarts": 2,
    "grace_seconds": 20.0,
    "stall_minutes": 10.0,
    "resume_from": None,
    "adopt_progress": None,
}

MakeSpec = Callable[..., TrainingSpec]


@pytest.fixture(scope="session")
def tiny_manifest(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """44 training and 16 validation images of four classes."""
    folder = tmp_path_factory.mktemp("images")
    rows = []
    for index in range(60):
        rng = np.random.default_rng(index)
        image = rng.integers(0, 256, (24, 28, 3), dtype=np.uint8)
        image[:, :, index % 3] //= 2 + index % 4
        cv2.imwrite(str(folder / f"{index}.png"), image)
        content = (folder / f"{index}.png").read_bytes()
        rows.append(
            {
                "path": f"{index}.png",
                "member": None,
                "offset": None,
                "split": "train" if index < 44 else "val",
                "label": f"class {index % 4}",
                "width": 28,
                "height": 24,
                "bytes": len(content),
                "sha256": hashlib.sha256(content).hexdigest(),
            }
        )
    write_manifest(Manifest.from_pandas(pd.DataFrame(rows), folder), folder / "manifest.parquet")
    return folder / "manifest.parquet"


@pytest.fixture(scope="session")
def make_spec(tiny_manifest: Path) -> MakeSpec:
    """A specification of the tiny training; groups given by name are laid over the usual ones."""

    def make(folder: Path, **changes: dict[str, object]) -> TrainingSpec:
        folder.mkdir(parents=True, exist_ok=True)
        return from_dict(
            TrainingSpec,
            {
                "fingerprint": "0123456789abcdef",
                "recipe": "tiny",
                "manifest": str(tiny_manifest),
                "image_root": str(tiny_manifest.parent),
                "folder": str(folder),
                "pretrain": PRETRAIN | changes.get("pretrain", {}),
                "monitoring": MONITORING | changes.get("monitoring", {}),
                "launch": LAUNCH | changes.get("launch", {}),
            },
        )

    return make
