"""A short training on CIFAR-10 under torchrun and the k-NN accuracy of its teacher, without Kedro."""

import hashlib
import tarfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from recipe_values import recipe_values

from dino_pipeline.dino.core.config import from_dict
from dino_pipeline.dino.core.data.manifest import SCHEMA, Manifest
from dino_pipeline.dino.core.pretrain_config import PretrainConfig
from dino_pipeline.dino.training.config import LaunchConfig, MonitoringConfig
from dino_pipeline.dino.training.history import HISTORY, TIMING, read_rows
from dino_pipeline.dino.training.launch import launch
from dino_pipeline.dino.training.preparation import fill_folder, prepare


def cifar_manifest(archive: Path, folder: Path, *, stride: int) -> Manifest:
    """Unpack train/<class>/<name>.jpg and test/..., every `stride`-th of them; test is what k-NN is asked about."""
    rows = []
    with tarfile.open(archive) as tar:
        files = [member for member in tar if member.isfile() and member.name.endswith(".jpg")]
        for member in files[::stride]:
            _, part, label, name = Path(member.name).parts
            data = tar.extractfile(member).read()
            file = folder / f"{part}-{label}-{name}"
            file.write_bytes(data)
            rows.append(
                {
                    "path": str(file),
                    "split": "train" if part == "train" else "val",
                    "label": label,
                    "width": 32,
                    "height": 32,
                    "bytes": len(data),
                    "sha256": hashlib.sha256(data).hexdigest(),
                }
            )
    return Manifest(pa.Table.from_pylist(rows, schema=SCHEMA), folder, np.arange(len(rows)))


def cifar_training(
    archive: Path, scratch: Path, *, epochs: int, batch_size: int, stride: int, on_gpu: bool, num_workers: int
) -> dict[str, Any]:
    """Train the network of recipe cifar10 and say what the last rows of its history and timing say."""
    images = scratch / "cifar"
    images.mkdir()
    values = recipe_values("cifar10")
    pretrain = replace(
        from_dict(PretrainConfig, values["pretrain"]),
        epochs=epochs,
        batch_size=batch_size,
        precision="bf16" if on_gpu else "fp32",
    )
    monitoring = replace(
        from_dict(MonitoringConfig, values["monitoring"]), log_every_steps=10, evaluate_every_epochs=10**6
    )
    launched = replace(
        from_dict(LaunchConfig, values["launch"]),
        cpu_processes=1,
        loader_workers=num_workers,
        augment_on_device=on_gpu,
    )
    spec = fill_folder(
        prepare(
            cifar_manifest(archive, images, stride=stride),
            pretrain,
            monitoring,
            launched,
            recipe="gpu_benchmark",
            project_folder=scratch,
            training_folder=scratch / "training",
        )
    )
    launch(spec, on_progress=lambda: None)
    history, timing = (read_rows(Path(spec.folder) / name) for name in (HISTORY, TIMING))
    return {
        "epochs": epochs,
        "images_seen": int(history[-1]["images_seen"]),
        "knn_teacher": float(history[-1]["knn_teacher"]),
        "seconds_of_training": round(sum(float(row["seconds"]) for row in timing), 1),
        "data_wait_share": float(timing[-1]["data_wait_share"]),
    }
